"""Folds over axes, scans along them, and the statistics made from them."""
