"""Ops that compute each element by itself, and how they are declared."""
