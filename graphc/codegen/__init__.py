"""From graphs to kernels, and from kernels to the text of a target."""
