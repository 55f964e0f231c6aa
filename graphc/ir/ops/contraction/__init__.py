"""Products of tensors summed over axes."""
