"""Programs on a GPU, through the CUDA driver: no toolkit and no compiler is needed.

What is where:
    executor.py       calls of exports: memory, and steps captured once for each set of shapes
    gpu.py            the device: memory, copies, kernels, recordings
    cubins.py         which cubin a device runs
    device_arrays.py  arguments that lie on the device already
"""
