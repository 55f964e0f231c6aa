"""Calculus from samples, and polynomials."""
