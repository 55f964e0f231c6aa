"""Module files, programs, and the devices that run them."""
