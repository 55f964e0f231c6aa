"""Graph to graph: simplify, differentiate, decompose; and what decides kernels and memory.

The passes of a build and their order are in `pipeline.GRAPH_PASSES`.
"""
