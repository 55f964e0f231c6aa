"""What people write who come from another language or library, and what is written here.

Where a name has its meaning here as well, under another name, it is taken (`members.py`,
`ir/ops/argument_names.py`); these are the names that can only be explained.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

__all__ = ["KEYWORDS", "instead", "meant", "of_a_pair"]

_FUNCTION = "a function is written `def name(...):`"
_EXCEPTIONS = "a graph has no exceptions"
_ASSIGN = "assign directly: `x = value`"
_RETURN = "a function gives its values by `return`"

KEYWORDS: Mapping[str, str] = {
    **dict.fromkeys(("fn", "func", "function"), _FUNCTION),
    **dict.fromkeys(("raise", "try", "except", "finally"), _EXCEPTIONS),
    **dict.fromkeys(("let", "var"), _ASSIGN),
    **dict.fromkeys(("nonlocal", "yield"), _RETURN),
    **dict.fromkeys(("do", "then"), "a header ends with ':', and no word before it"),
    **dict.fromkeys(("async", "await"), "everything runs in order"),
    "assert": "conditions on shapes are stated by the ranges of dimensions",
    "buffer": "state that is not trained is declared by `state name: f32[64]`",
    "break": "a loop ends by its condition: `while condition, at most 100:`",
    "class": "a model is written `model Name(...):`",
    "continue": "select values with `where` or an `if`",
    "del": "values need no deletion",
    "global": "a value known at build time is a `const`",
    "lambda": "functions have names: write a `def`",
    "with": "there are no context managers",
}
"""Keywords elsewhere, which are names in the language."""

_AT_THE_TOP = "functions are at the top: graphc.exp(x), graphc.softmax(x)"
_CONTAINERS = "there are lists and tuples"
_DEVICE = "a program has no devices: the one that it runs on is chosen where the module is loaded"
_GRADIENT = "gradients are functions: grad(f), or train_step(...) for a training step"
_LISTS = "a list is written [f(x) for x in values]; `for row in x:` takes the rows of a tensor"
_NO_VALUE = "a tensor has no value while the program is built; return it from an export"
_OPTIMIZERS = (
    "optimizers are sgd, adam and adamw; another one is written with gradients and updates: "
    "for p, g in zip(net.parameters(), grad(loss)(net, x).values()): update p = p - 0.1 * g"
)
_PARTS = "parts of a model are known by their names: fc(x)"
_PREFIX = "functions, layers and dtypes need no prefix: exp(x), Linear(3, 4), f32"
_RANKED = "its name says the number of axes: BatchNorm1d, Conv2d, MaxPool3d"
_DECLARED = "a model declares it: param w: f32[4] = zeros(), or state w, which is not trained"
_FOR = "a loop is a statement, which carries what it assigns: for t in range(T): h = cell(x[t], h)"
_WHILE = "a loop is a statement, which carries what it assigns: while x > 1, at most 100: x = x / 2"
_STATE = "what is compiled has state: graphc.compile(model, ...).state_dict()"
_STATIC = "numbers, texts and models among the arguments are static as they are; arrays are not"
_DONATED = "memory is shared where nobody reads it later; compile a model to keep state in place"
_TRAINING = "train_step(...) traces a model for training, all else for use"
_VALUE = "tensors are values: x = x + y, x = x.at[i].set(y)"

_INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(
        ("torch", "np", "numpy", "jnp", "jax", "F", "nn", "tf", "keras", "linalg"), _PREFIX
    ),
    **dict.fromkeys(("self", "super"), _PARTS),
    **dict.fromkeys(("dict", "set"), _CONTAINERS),
    **dict.fromkeys(("filter", "list", "map", "tuple"), _LISTS),
    **dict.fromkeys(("BatchNorm", "Conv", "MaxPool", "AvgPool"), _RANKED),
    **dict.fromkeys(("scan", "fori_loop"), _FOR),
    "while_loop": _WHILE,
    "lax": "loops and branches are statements, as for t in range(T): or while x > 1, at most 100:",
    "Dense": "did you mean 'Linear'?",
    **dict.fromkeys(("Buffer", "Parameter", "Variable", "register_buffer"), _DECLARED),
    "Tensor": "a type has a dtype and sizes: f32[B, 64]",
    "false": "write False",
    **dict.fromkeys(("adadelta", "adagrad", "adamax", "lbfgs", "lion", "rmsprop"), _OPTIMIZERS),
    "isinstance": "types are known: annotate the parameter",
    "null": "write None",
    "print": "nothing is printed while a program is built: return the value from an export",
    "true": "write True",
    **dict.fromkeys((".item", ".numpy", ".tolist", ".data", ".__dlpack__"), _NO_VALUE),
    **dict.fromkeys((".cpu", ".cuda", ".device", ".to_device", ".block_until_ready"), _DEVICE),
    **dict.fromkeys((".backward", ".grad", ".requires_grad", ".requires_grad_"), _GRADIENT),
    **dict.fromkeys((".copy_", ".fill_", ".zero_", ".index_add_"), _VALUE),
    **dict.fromkeys((".scatter_", ".scatter_add_"), _VALUE),
    **dict.fromkeys((".eval", ".train"), _TRAINING),
    **dict.fromkeys((".state_dict", ".load_state_dict"), _STATE),
    ".zero_grad": _GRADIENT,
    ".__call__": "a call of a model runs its forward: def forward(x): ...",
    ".__init__": "a model has no constructor: its body makes its parts",
    ".append": "lists are values: items = items + [x]; concat and stack join tensors",
    ".extend": "lists are values: items = items + others",
    ".named_parameters": "net.parameters() is their list, grad(loss)(net, x).items() has the names",
    ".new_ones": "write ones((2, 3), x.dtype), or ones_like(x)",
    ".new_zeros": "write zeros((2, 3), x.dtype), or zeros_like(x)",
    ".norm": "write vector_norm(x, axis=...) or matrix_norm(x)",
    ".type": "write x.dtype for the dtype, x.to(f16) for a cast",
    ".type_as": "write x.to(y)",
    ".update": "state gets a new value by `update name = value`, in Python by buffer.update(value)",
    "out=": "tensors are values: assign what the call gives, y = sum(x)",
    "dtype=": "cast before or after it: x.astype(f64)",
    **dict.fromkeys(("static_argnums=", "static_argnames="), _STATIC),
    **dict.fromkeys(("donate_argnums=", "donate_argnames="), _DONATED),
    "inplace=": "tensors are values: assign what the call gives, x = relu(x)",
    "mode=": "indices that are out of range change nothing, and read 0",
    "return_indices=": "where x has values of y is nonzero(isin(x, y), size)",
    "weights=": "their sums in order are cumulative_sum(take(weights, argsort(x), 0))",
    **dict.fromkeys(("graphc.numpy", "graphc.lax", "graphc.nn.functional"), _AT_THE_TOP),
    "graphc.jacrev": "write graphc.jacobian(f)",
    "graphc.jit": "write graphc.function(f)",
    "graphc.manual_seed": "give the seed to graphc.compile(..., seed=1), or to rand(3, seed=1)",
    "graphc.no_grad": "there are gradients where grad(f) asks for them; stop_gradient(x) has none",
}
"""As they are written: a name, a `.member` of a value, an `argument=`, or `package.name`."""


def instead(name: str, functions: Container[str] = ()) -> str | None:
    """What to write in place of a name that nothing has where it stands.

    Args:
        name: alone; of a member ".item", of an argument "out=", of the package "graphc.jit".
        functions: those that PyTorch also has as members with a "_", which change the tensor.

    >>> instead(".relu_", ["relu"])
    'tensors are values: x = x.relu(...) in place of x.relu_(...)'
    """
    plain = name.removeprefix(".").removesuffix("_")
    if name in _INSTEAD or name != f".{plain}_" or plain not in functions:
        return _INSTEAD.get(name)
    return f"tensors are values: x = x.{plain}(...) in place of x{name}(...)"


_MIDDLE = "{0}(x, axis=...) gives the mean of the two in the middle; kthvalue values and places"

_PAIRS: Mapping[str, str] = {
    **dict.fromkeys(("max", "min"), "{0}(x, axis=...) gives the values, arg{0} their places"),
    **dict.fromkeys(("median", "nanmedian"), _MIDDLE),
}
"""Functions that give values and places in PyTorch, where `dim` is said, and values alone here."""


def of_a_pair(function: str, argument: str) -> str | None:
    """What to write in place of a call that gives two tensors in PyTorch, and one here.

    Args:
        argument: what it is called with, as PyTorch names it.
    """
    return _PAIRS[function].format(function) if argument == "dim" and function in _PAIRS else None


_MEANT: Mapping[str, str] = {
    "cond": "a branch is `if condition: ... else: ...`, or graphc.cond in Python",
    "float": "a tensor is cast by f32(x)",
    "int": "a tensor is cast by i32(x)",
    "max": "the larger of two tensors is maximum(x, y)",
    "min": "the smaller of two tensors is minimum(x, y)",
    "narrow": "dynamic_slice(x, starts, sizes) begins where a tensor says",
    "select": "x[i] takes a tensor i",
}


def meant(function: str) -> str | None:
    """What to write in place of a function that takes other arguments here than elsewhere."""
    return _MEANT.get(function)
