"""Random tensors, drawn from a counter-based generator."""
