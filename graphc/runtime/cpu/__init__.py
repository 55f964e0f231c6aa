"""The CPU runtime: generated C, compiled by the system's compiler, run over a thread pool."""
