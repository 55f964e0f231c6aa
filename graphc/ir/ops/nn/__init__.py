"""Layers of neural networks as functions, and losses."""
