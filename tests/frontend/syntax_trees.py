"""Random syntax trees of the `.gc` language."""

from hypothesis import strategies as st

from graphc.frontend import syntax
from graphc.frontend.parsing.tokens import LINE_KEYWORDS

ORDINARY_NAMES = ["x", "fc1", "i", "B", "_", "inf", "multiple", "at", "of", "most", "β1", "f32"]
NAMES = st.sampled_from([*ORDINARY_NAMES, *sorted(LINE_KEYWORDS), *syntax.REDUCTIONS])
NAME_NODES = NAMES.map(syntax.Name)
DISTINCT_NAME_NODES = st.lists(NAME_NODES, min_size=1, max_size=3, unique=True).map(tuple)
BINARY_OPERATORS = sorted(set(syntax.BINARY_PRECEDENCE) - set(syntax.COMPARISONS))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def tuples(strategy, least=0, most=3):
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


LITERALS = st.one_of(
    NAME_NODES,
    st.builds(syntax.Integer, st.integers(0, 2**64 - 1)),
    st.builds(syntax.Float, st.floats(0, allow_infinity=False, allow_nan=False).map(abs)),
    st.builds(syntax.String, TEXTS),
    st.builds(syntax.Boolean, st.booleans()),
    st.just(syntax.NoneLiteral()),
    st.just(syntax.EllipsisLiteral()),
)
TARGETS = st.recursive(
    NAME_NODES, lambda inner: st.builds(syntax.Tuple, tuples(inner, least=1)), max_leaves=3
)


def introduced(extents):
    """Distinct indices, some of them with an extent."""
    ends = st.lists(st.none() | extents, min_size=3, max_size=3)
    return st.builds(
        lambda names, ends: tuple(
            name if end is None else syntax.Index(name.id, end)
            for name, end in zip(names, ends, strict=False)
        ),
        DISTINCT_NAME_NODES,
        ends,
    )


def comparisons(operands):
    """Of which `is` has None on its right."""
    none = st.just(syntax.NoneLiteral())
    pair = st.sampled_from(syntax.COMPARISONS).flatmap(
        lambda symbol: st.tuples(st.just(symbol), none if symbol.startswith("is") else operands)
    )
    return st.builds(
        lambda left, pairs: syntax.Compare(left, *zip(*pairs, strict=True)),
        operands,
        tuples(pair, least=1),
    )


def calls(operands):
    names = st.lists(NAMES, max_size=2, unique=True)
    keywords = names.flatmap(
        lambda names: st.tuples(*(st.builds(syntax.Keyword, st.just(n), operands) for n in names))
    )
    return st.builds(syntax.Call, operands, tuples(operands), keywords)


def compounds(operands):
    optional = st.none() | operands
    conditions = tuples(operands, 0, 2)
    clauses = tuples(st.builds(syntax.Clause, TARGETS, operands, conditions), 1, 2)
    indices = operands | st.builds(syntax.Slice, optional, optional, optional)
    return st.one_of(
        st.builds(syntax.Attribute, operands, NAMES),
        calls(operands),
        st.builds(syntax.Subscript, operands, tuples(indices, least=1)),
        st.builds(syntax.Tuple, tuples(operands)),
        st.builds(syntax.List, tuples(operands)),
        st.builds(syntax.ListComprehension, operands, clauses),
        st.builds(syntax.Unary, st.sampled_from(sorted(syntax.UNARY_PRECEDENCE)), operands),
        st.builds(syntax.Binary, operands, st.sampled_from(BINARY_OPERATORS), operands),
        comparisons(operands),
        st.builds(syntax.Conditional, operands, operands, operands),
        st.builds(
            syntax.Reduction, st.sampled_from(syntax.REDUCTIONS), introduced(operands), operands
        ),
    )


EXPRESSIONS = st.recursive(LITERALS, compounds, max_leaves=12)
PLACES = st.recursive(
    NAME_NODES,
    lambda inner: st.one_of(
        st.builds(syntax.Attribute, inner, NAMES),
        st.builds(
            syntax.Subscript, inner, st.tuples(st.builds(syntax.Integer, st.integers(0, 99)))
        ),
    ),
    max_leaves=3,
)
TYPES = st.recursive(
    st.one_of(
        st.builds(syntax.TensorType, NAMES, tuples(EXPRESSIONS)),
        st.builds(syntax.NamedType, NAME_NODES),
        st.builds(syntax.NamedType, st.builds(syntax.Attribute, NAME_NODES, NAMES)),
    ),
    lambda inner: st.builds(syntax.TupleType, tuples(inner)),
    max_leaves=4,
)
PARAMETERS = st.builds(syntax.Parameter, NAMES, st.none() | TYPES, st.none() | EXPRESSIONS)
STATE_PARAMETERS = st.builds(syntax.StateParameter, PLACES, TYPES)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
ALIASES = st.none() | NAMES
DOCSTRINGS = st.builds(syntax.Docstring, TEXTS)


def bodies(statements):
    return st.builds(
        lambda opening, rest: (*opening, *rest),
        tuples(DOCSTRINGS, most=1),
        tuples(statements, least=1),
    )


SIMPLE_STATEMENTS = st.one_of(
    st.builds(syntax.Assign, TARGETS, EXPRESSIONS),
    st.builds(syntax.Assign, NAME_NODES, EXPRESSIONS, TYPES),
    st.builds(syntax.IndexAssign, NAMES, introduced(EXPRESSIONS), EXPRESSIONS),
    st.builds(syntax.AugmentedAssign, NAMES, st.sampled_from(["+", "**", "//", "@"]), EXPRESSIONS),
    st.builds(syntax.Update, PLACES, EXPRESSIONS),
    st.builds(syntax.Return, st.none() | EXPRESSIONS),
    st.just(syntax.Pass()),
)


def function_nodes(inner):
    return st.builds(
        syntax.Function,
        NAMES,
        tuples(PARAMETERS | STATE_PARAMETERS),
        st.none() | TYPES,
        bodies(inner),
        tuples(EXPRESSIONS, most=2),
    )


STATEMENTS = st.recursive(
    SIMPLE_STATEMENTS,
    lambda inner: st.one_of(
        st.builds(syntax.For, TARGETS, EXPRESSIONS, tuples(inner, least=1)),
        st.builds(syntax.While, EXPRESSIONS, EXPRESSIONS, tuples(inner, least=1)),
        st.builds(syntax.If, EXPRESSIONS, tuples(inner, least=1), tuples(inner)),
        function_nodes(inner),
    ),
    max_leaves=6,
)
MODEL_STATEMENTS = st.one_of(
    st.builds(syntax.Assign, TARGETS, EXPRESSIONS),
    st.builds(
        syntax.Declaration,
        st.sampled_from(["param", "state"]),
        NAMES,
        TYPES,
        st.none() | EXPRESSIONS,
    ),
    function_nodes(SIMPLE_STATEMENTS),
)
TOP_STATEMENTS = st.one_of(
    st.builds(syntax.Import, PATHS, ALIASES),
    st.builds(
        syntax.ImportFrom, PATHS, tuples(st.builds(syntax.ImportedName, NAMES, ALIASES), 1, 3)
    ),
    st.builds(syntax.Dimension, NAMES, EXPRESSIONS, EXPRESSIONS, st.none() | EXPRESSIONS),
    st.builds(syntax.Constant, NAMES, EXPRESSIONS),
    st.builds(syntax.Export, NAMES, EXPRESSIONS),
    st.builds(syntax.Model, NAMES, tuples(PARAMETERS), bodies(MODEL_STATEMENTS)),
    function_nodes(STATEMENTS),
)
MODULES = st.builds(syntax.Module, bodies(TOP_STATEMENTS) | st.just(()))
