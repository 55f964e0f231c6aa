"""Fusion: which nodes a kernel computes together. `fuse.py` is the way in."""
