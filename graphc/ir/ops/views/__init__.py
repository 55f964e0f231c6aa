"""The same elements under other shapes, and tensors put together from parts."""
