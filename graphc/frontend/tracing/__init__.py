"""Tensors that stand for nodes, and the functions and models of Python that compute with them."""
