"""The unit: exports that share state, and the graph that gives the state its first values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.tracing.initializers import SEED_DTYPE, first_value
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.named_dims import named_dims
from graphc.frontend.tracing.state_table import StateTable
from graphc.frontend.tracing.trace import Export, models_by_name, run_traced, state_table
from graphc.ir.dims import Dim
from graphc.ir.graph import Graph, Unit
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.verify import verify

__all__ = ["build_unit"]


def build_unit(
    exports: Mapping[str, Export | Callable[..., Any]],
    *,
    models: Mapping[str, Module] | None = None,
    dims: Sequence[Dim] = (),
    docs: Mapping[str, str] | None = None,
    sources: SourceMap | None = None,
) -> Unit:
    """Trace every export, and collect their state.

    Args:
        exports: what to trace, by export name; a function alone has its types in annotations.
        models: names for models. With one model its state has no prefix; with several, state is
            prefixed with the model's name, by default that of its class.
        dims: declarations for names in types.
        docs: docstrings by export name, where they are not those of the functions; the unit's
            own under "".
        sources: records the spans; a new one by default.

    Returns:
        The unit. Its state is that of the models in order of declaration, then that of optimizers
        and of the random counter, in the order in which the exports first use it.

    Raises:
        UsageError: two models or states have one name.
        GraphcError: whatever tracing refuses.
    """
    recipes = {
        name: given if isinstance(given, Export) else Export(given)
        for name, given in exports.items()
    }
    for name in recipes:
        if not name.isidentifier():
            raise UsageError(f"{name!r} cannot name an export", hint="use an identifier")
    found = [model for recipe in recipes.values() for model in recipe.root_models()]
    table = state_table(models_by_name(found, models or {}))
    arguments = [one for recipe in recipes.values() for one in recipe.arguments().values()]
    known = [dim for recipe in recipes.values() for dim in recipe.declared_dims]
    named = named_dims(arguments, dims, known)
    spans = SourceMap() if sources is None else sources
    graphs = {
        name: run_traced(recipe, name, table, named, spans) for name, recipe in recipes.items()
    }
    texts = {name: recipe.doc for name, recipe in recipes.items() if recipe.doc}
    return Unit(
        exports=graphs,
        state={path: state.type for path, state in table},
        initial=_initial(table, spans),
        sources=spans,
        docs={**texts, **(docs or {})},
    )


def _initial(table: StateTable, sources: SourceMap) -> Graph:
    """The graph from `seed: u64[]` to the first value of every state, in order."""
    seed = graph_input("seed", SEED_DTYPE, ())
    values = tuple(
        first_value(path, state.sizes, state.dtype, state.init, seed) for path, state in table
    )
    graph = Graph("initial", (seed,), (), values)
    verify(graph, after="tracing", sources=sources)
    return graph
