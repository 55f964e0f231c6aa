"""Tensors from nothing, from counters and from given data."""
