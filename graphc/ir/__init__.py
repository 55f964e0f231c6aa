"""The two intermediate representations: graphs of tensors, and kernels."""
