"""Functions of functions: derivatives, batching, gradients of one's own; all inside a trace.

A transform takes a Python function on tensors and gives another one. Calling that inside a trace
builds ordinary graph, so transforms nest in any order. `graphc.grad` and the others are these,
made callable with arrays.
"""

from __future__ import annotations

from graphc.transforms.custom import custom_gradient
from graphc.transforms.derivatives import grad, jvp, value_and_grad, vjp
from graphc.transforms.jacobians import hessian, jacfwd, jacobian
from graphc.transforms.rematerialization import checkpoint
from graphc.transforms.stateless import stateless_call
from graphc.transforms.vectorize import vmap

__all__ = [
    "checkpoint",
    "custom_gradient",
    "grad",
    "hessian",
    "jacfwd",
    "jacobian",
    "jvp",
    "stateless_call",
    "value_and_grad",
    "vjp",
    "vmap",
]
