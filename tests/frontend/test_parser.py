"""The parser: what programs mean, what is refused and where, and that any text ends well."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphc.config import MOST_CHARACTERS
from graphc.errors import ErrorGroup, GraphcError, SourceError
from graphc.frontend import syntax
from graphc.frontend.formatting.formatter import format_source, unparse
from graphc.frontend.parsing.lexer import MAX_ERRORS
from graphc.frontend.parsing.parse_table import TABLE_FILE, parse_table
from graphc.frontend.parsing.parser import parse, parse_expression
from graphc.frontend.parsing.table_generator import generate_table
from graphc.frontend.parsing.tree_builder import TreeBuilder
from graphc.frontend.syntax import (
    Assign,
    Attribute,
    AugmentedAssign,
    Binary,
    Boolean,
    Call,
    Clause,
    Compare,
    Conditional,
    Constant,
    Declaration,
    Dimension,
    Docstring,
    EllipsisLiteral,
    Export,
    Float,
    For,
    Function,
    If,
    Import,
    ImportedName,
    ImportFrom,
    IndexAssign,
    Integer,
    Keyword,
    List,
    ListComprehension,
    Model,
    Name,
    NamedType,
    NoneLiteral,
    Parameter,
    Pass,
    Reduction,
    Return,
    Slice,
    StateParameter,
    String,
    Subscript,
    TensorType,
    Tuple,
    TupleType,
    Unary,
    Update,
    While,
    children,
)

A, B, C, D, X = (Name(name) for name in "abcdx")
ONE, TWO = Integer(1), Integer(2)


def test_the_parse_table_belongs_to_the_grammar():
    assert generate_table() == TABLE_FILE.read_text(encoding="utf-8"), (
        "run python -m graphc.frontend.parsing.table_generator"
    )


def test_every_rule_has_an_action():
    actions = {rule.action for rule in parse_table().rules if rule.action}
    assert all(hasattr(TreeBuilder, name) for name in actions if not name.startswith("_"))


EXPRESSIONS = {
    "a": A,
    "0x_ff": Integer(255),
    "0b101": Integer(5),
    "007": Integer(7),
    "1_000": Integer(1000),
    "18446744073709551615": Integer(2**64 - 1),
    "1e-3": Float(0.001),
    "1.": Float(1.0),
    ".5": Float(0.5),
    "-inf": Unary("-", Name("inf")),
    "'a\\n\\x41\\u00e9'": String("a\nAé"),
    '"""a\n"b" """': String('a\n"b" '),
    "True": Boolean(True),
    "None": NoneLiteral(),
    "...": EllipsisLiteral(),
    "a + b * c": Binary(A, "+", Binary(B, "*", C)),
    "(a + b) * c": Binary(Binary(A, "+", B), "*", C),
    "a - b - c": Binary(Binary(A, "-", B), "-", C),
    "a ** b ** c": Binary(A, "**", Binary(B, "**", C)),
    "-a ** b": Unary("-", Binary(A, "**", B)),
    "a ** -b * c": Binary(Binary(A, "**", Unary("-", B)), "*", C),
    "a @ b // c % d": Binary(Binary(Binary(A, "@", B), "//", C), "%", D),
    "a | b ^ c & d << 1": Binary(A, "|", Binary(B, "^", Binary(C, "&", Binary(D, "<<", ONE)))),
    "not a == b and c or d": Binary(
        Binary(Unary("not", Compare(A, ("==",), (B,))), "and", C), "or", D
    ),
    "a < b <= c + 1": Compare(A, ("<", "<="), (B, Binary(C, "+", ONE))),
    "~a & +b": Binary(Unary("~", A), "&", Unary("+", B)),
    "a if b else c if d else 1": Conditional(B, A, Conditional(D, C, ONE)),
    "a.b.c": Attribute(Attribute(A, "b"), "c"),
    "a.dim(dim=1, state=2)": Call(
        Attribute(A, "dim"), (), (Keyword("dim", ONE), Keyword("state", TWO))
    ),
    "a(b, c=1,)": Call(A, (B,), (Keyword("c", ONE),)),
    "a[1]": Subscript(A, (ONE,)),
    "a[1:, ::2, ..., None, :b]": Subscript(
        A,
        (
            Slice(ONE),
            Slice(None, None, TWO),
            EllipsisLiteral(),
            NoneLiteral(),
            Slice(None, B),
        ),
    ),
    "a, b": Tuple((A, B)),
    "a,": Tuple((A,)),
    "()": Tuple(()),
    "((a))": A,
    "(a,)": Tuple((A,)),
    "[]": List(()),
    "[a, b,]": List((A, B)),
    "[a for b in c]": ListComprehension(A, (Clause(B, C),)),
    "[a for b, c in d if x]": ListComprehension(A, (Clause(Tuple((B, C)), D, (X,)),)),
    "[a for b in c if x if a for d in a]": ListComprehension(
        A, (Clause(B, C, (X, A)), Clause(D, A))
    ),
    # A reduction takes the whole product that follows it, and nothing of a sum.
    "sum[a] b * c / d + 1": Binary(
        Reduction("sum", (A,), Binary(Binary(B, "*", C), "/", D)), "+", ONE
    ),
    "x - max[a, b] c": Binary(X, "-", Reduction("max", (A, B), C)),
    "x * sum[a] b * c": Binary(X, "*", Reduction("sum", (A,), Binary(B, "*", C))),
    "sum[a] (b - c) ** 2": Reduction("sum", (A,), Binary(Binary(B, "-", C), "**", TWO)),
    "sum[a] prod[b] c": Reduction("sum", (A,), Reduction("prod", (B,), C)),
    "any[a] b > c": Compare(Reduction("any", (A,), B), (">",), (C,)),
    # Where no operand follows, the same words are an element of a value.
    "x - mean[a]": Binary(X, "-", Subscript(Name("mean"), (A,))),
    "mean[a] - x": Binary(Subscript(Name("mean"), (A,)), "-", X),
    "x.sum[a](b)": Call(Subscript(Attribute(X, "sum"), (A,)), (B,)),
    "sum(a, axis=0)": Call(Name("sum"), (A,), (Keyword("axis", Integer(0)),)),
    "(a\n+ b)": Binary(A, "+", B),
    "a + \\\n b": Binary(A, "+", B),
    "ﬁ": Name("fi"),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions(text):
    assert parse_expression(text) == EXPRESSIONS[text]


F32 = TensorType("f32", ())
TOP_STATEMENTS = {
    '"""Doc."""': Docstring("Doc."),
    "import a.b": Import("a.b"),
    "import a as b": Import("a", "b"),
    "from a.b import c, d as x": ImportFrom("a.b", (ImportedName("c"), ImportedName("d", "x"))),
    "from a import (\n    c,\n)": ImportFrom("a", (ImportedName("c"),)),
    "dim a: 1..4096": Dimension("a", ONE, Integer(4096)),
    "dim a: 1 .. b * 2 multiple of 8": Dimension("a", ONE, Binary(B, "*", TWO), Integer(8)),
    "dim dim: dim..dim": Dimension("dim", Name("dim"), Name("dim")),
    "const a = b": Constant("a", B),
    "export a = b.c": Export("a", Attribute(B, "c")),
    "model a:\n  pass": Model("a", (), (Pass(),)),
    "model a(b, c: f32[] = 1):\n\tpass": Model(
        "a", (Parameter("b"), Parameter("c", F32, ONE)), (Pass(),)
    ),
    "@a\n@b(c)\ndef d():\n  pass": Function("d", (), None, (Pass(),), (A, Call(B, (C,)))),
    "def a(x: f32[b, 2 * c, ...], state b[0].c: f32[]) -> (f32[], (m.n,)):\n  return": Function(
        "a",
        (
            Parameter("x", TensorType("f32", (B, Binary(TWO, "*", C), EllipsisLiteral()))),
            StateParameter(Attribute(Subscript(B, (Integer(0),)), "c"), F32),
        ),
        TupleType((F32, TupleType((NamedType(Attribute(Name("m"), "n")),)))),
        (Return(),),
    ),
}


@pytest.mark.parametrize("text", TOP_STATEMENTS)
def test_statements_of_a_file(text):
    assert parse(text).body == (TOP_STATEMENTS[text],)


BODY_STATEMENTS = {
    "a = b": Assign(A, B),
    "a, (b, c) = d": Assign(Tuple((A, Tuple((B, C)))), D),
    "a = b, c": Assign(A, Tuple((B, C))),
    "a: f32[] = b": Assign(A, B, F32),
    "a[b, c] = d": IndexAssign("a", (B, C), D),
    "a **= b": AugmentedAssign("a", "**", B),
    "update a.b = c": Update(Attribute(A, "b"), C),
    "state = update": Assign(Name("state"), Name("update")),
    "model = param if dim else const": Assign(
        Name("model"), Conditional(Name("dim"), Name("param"), Name("const"))
    ),
    "for a, b in c:\n  pass": For(Tuple((A, B)), C, (Pass(),)),
    "while a < b, at most 100:\n  pass": While(Compare(A, ("<",), (B,)), Integer(100), (Pass(),)),
    "if a:\n  pass\nelif b:\n  pass\nelse:\n  return c": If(
        A, (Pass(),), (If(B, (Pass(),), (Return(C),)),)
    ),
    "def a():\n  return b, c": Function("a", (), None, (Return(Tuple((B, C))),)),
}


@pytest.mark.parametrize("text", BODY_STATEMENTS)
def test_statements_of_a_function(text):
    body = "".join(f"    {line}\n" for line in text.split("\n"))
    assert parse(f"def f():\n{body}").body[0].body == (BODY_STATEMENTS[text],)


def test_declarations():
    module = parse("model m:\n  param a: f32[] = b()\n  state c: f32[2]\n  state = c\n")
    assert module.body[0].body == (
        Declaration("param", "a", F32, Call(B)),
        Declaration("state", "c", TensorType("f32", (TWO,))),
        Assign(Name("state"), C),
    )


def test_spans():
    text = "const a = 1\n\nconst b = f(\n    (x + y) * -z,\n)\n"
    constant = parse(text, "m.gc").body[1]
    assert str(constant.span) == "m.gc:3:1"
    assert (constant.span.end_line, constant.span.end_column) == (5, 2)
    product = constant.value.args[0]
    assert (product.span.line, product.span.column, product.span.end_column) == (4, 5, 17)
    assert (product.left.span.column, product.left.span.end_column) == (5, 12)
    assert (product.right.span.column, product.right.span.end_column) == (15, 17)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends(newline):
    text = '"""a\nb"""\ndef f():\n    # c\n\n    return (x,\n1)'.replace("\n", newline)
    module = parse("\ufeff" + text)
    assert module.body[0] == Docstring("a\nb")
    assert module.body[1].body == (Return(Tuple((X, ONE))),)
    assert module.body[1].span.end_line == 7


def refused(text):
    with pytest.raises((SourceError, ErrorGroup)) as caught:
        parse(text, "bad.gc")
    error = caught.value
    errors = error.errors if isinstance(error, ErrorGroup) else (error,)
    assert all(e.code == "syntax" and e.span is not None for e in errors)
    assert error.render()
    return errors


INVALID = [
    ("def f(x)\n    return x", "expected ':' after the function's signature", 1, 9),
    ("def f(x):\nreturn x", "expected an indented block after the header in line 1", 2, 1),
    ("def f(x: f32[B):\n    return x", "')' cannot close the '[' opened in line 1", 1, 15),
    ("def f(x:\n    return x", "'(' is never closed", 1, 6),
    ("const a = [1,\n\nconst b = 2", "'[' is never closed", 1, 11),
    ("const a = f(1, 2", "'(' is never closed", 1, 12),
    ("const a = f(b\n  c)", "'(' is never closed; expected ')', ',' or '='", 1, 12),
    ("const a = 1)", "')' closes nothing", 1, 12),
    ("  const a = 1", "this line is indented, but no block begins above it", 1, 3),
    ("def f():\n    pass\n  pass", "indented by 2, which matches no line above it", 3, 1),
    ("def f():\n\tpass\n        pass", "mixes tabs and spaces", 3, 1),
    ("def f():\n    if x = 1:\n        pass", "expected ':' after the condition, found '='", 2, 10),
    ("def f():\n    if x:\n        pass\n    else\n        pass", "after `else`", 4, 9),
    ("def f():\n    while x:\n        pass", "this loop has no bound", 2, 5),
    ("def f():\n    x == 1", "this value is computed and not used", 2, 5),
    ("def f():\n    f(x) = 1", "a call cannot be assigned", 2, 5),
    ("def f():\n    a.b = 1", "a member of a value cannot be assigned", 2, 5),
    ("def f():\n    a[0] = 1", "index notation takes the names of indices", 2, 7),
    ("def f():\n    a[i, i] = 1", "the index 'i' stands twice", 2, 10),
    ("def f():\n    update f(x) = 1", "expected the name of a piece of state", 2, 12),
    ("def f():\n    'late'\n    'later'", "a string alone is a docstring", 3, 5),
    ("def f():\n    return a +", "expected an expression, found the end of the line", 2, 15),
    ("def f():\n    param a: f32[]", "a declaration of parameters or state has no meaning", 2, 5),
    ("x = 1", "an assignment has no meaning at the top of a file", 1, 1),
    ("model m:\n    return 1", "a return has no meaning in a model", 2, 5),
    ("@a\nconst b = 1", "expected the `def` of the function below its decorator", 2, 1),
    ("def if():\n    pass", "expected a name, found the keyword 'if'", 1, 5),
    ("dim B 4", "expected", 1, 7),
    ("dim B: 1", "'..'", 1, 9),
    ("export a", "expected '=', found the end of the line", 1, 9),
    ("const a = 'abc", "this string is never closed", 1, 11),
    ('const a = """abc\n', "this string is never closed", 1, 11),
    ("const a = '\\q'", "the unknown escape", 1, 11),
    ("const a = '\\ud800'", "not a Unicode character", 1, 11),
    ("const a = 1_", "'1_' is not a number", 1, 11),
    ("const a = 12ab", "'12ab' is not a number", 1, 11),
    ("const a = 0x", "'0x' is not a number", 1, 11),
    ("const a = 18446744073709551616", "more than 64 bits", 1, 11),
    ("const a = " + "9" * 100_000, "more than 64 bits", 1, 11),
    ("const a = 1e999", "too large for float64", 1, 11),
    ("const a = b $ c", "'$' has no meaning here", 1, 13),
    ("const a = b² ", "is not a name", 1, 11),
    ("const a = f(b=1, c)", "a positional argument follows the keyword 'b'", 1, 18),
    ("const a = f(b=1, b=2)", "the keyword 'b' stands twice", 1, 18),
    ("const a = b == not c", "`not` binds less tightly than the '=='", 1, 16),
    ("const a = sum[1] b", "index notation takes the names of indices", 1, 15),
    ("model m(state a: f32[]):\n    pass", "a model takes no state as a parameter", 1, 9),
    ("const a = \0", "control character U+0000", 1, 11),
    ("\n# \ud800", "half of a surrogate pair U+D800", 2, 3),
    ("# \u202e", "control character U+202E", 1, 3),
    ("const a = " + "(" * 100_000, "'(' is never closed", 1, 100_010),
    ("const a = " + "[" * 100_000 + "]" * 100_000, "nests more than 100 deep", 1, 11),
    ("const a = " + "-" * 100_000 + "1", "nests more than 100 deep", 1, 11),
    ("const a = " + "2 ** " * 50_000 + "1", "nests more than 100 deep", 1, 11),
    ("const a = " + "b if c else " * 20_000 + "1", "nests more than 100 deep", 1, 11),
    ("const a = b" + ".c" * 50_000, "more than 1000 members, calls and elements", 1, 11),
    ("def f(a: " + "(" * 20_000 + "b" + ",)" * 20_000 + "):\n    pass", "nests more than", 1, 7),
    ("x" * (MOST_CHARACTERS + 1), "at most", 1, 1),
]


@pytest.mark.parametrize(
    ("text", "message", "line", "column"), INVALID, ids=[case[1] for case in INVALID]
)
def test_errors_say_what_and_where(text, message, line, column):
    (error,) = refused(text)
    assert message in error.message
    assert (error.span.file, error.span.line, error.span.column) == ("bad.gc", line, column)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("deff f():\n    pass", "did you mean 'def'?"),
        ("modle M:\n    pass", "did you mean 'model'?"),
        ("exprot a = b", "did you mean 'export'?"),
        ("def f():\n    retrun x", "did you mean 'return'?"),
        ("class M:\n    pass", "a model is written `model Name(...):`"),
        ("const a = lambda x: x", "functions have names: write a `def`"),
        ("const a = b = c", "'=' assigns; to compare, write '=='"),
        ("def f():\n    if a = b:\n        pass", "'=' assigns; to compare, write '=='"),
        ("const a = b && c", "write `and`, or a single '&' between tensors"),
        ("const a = b; const c = d", "write one statement on each line"),
        ("const a = blocks.0.bias", "the members of a list are written `blocks[0]`"),
        ("def for():\n    pass", "'for' is a keyword and cannot be a name"),
    ],
)
def test_hints_for_usual_slips(text, hint):
    assert refused(text)[0].hint == hint


def test_several_errors_are_reported_in_order():
    errors = refused(
        "def f(x)\n    y = = 1\n    return y\n\nconst a = $\nmodle M:\n    param x f32\n"
        "const ok = 1\ndef g():\nconst b = 2 2\n"
    )
    assert [error.span.line for error in errors] == [1, 2, 5, 6, 7, 10, 10]


_ELSE = "a loop has no `else`"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["for v in x:", "    y = v", "else:", "    y = 3"], [(4, _ELSE)]),
        (
            ["for v in x:", "    y = v", "else:", "    y = = 3", "z = +"],
            [(4, _ELSE), (5, "'='"), (6, "end of the line")],
        ),
        (["for v in x:", "    if a:", "        y = v", "else:", "    y = 3"], [(5, _ELSE)]),
        (
            ["while a, at most 3:", "    if b:", "        c = 1", "    d = 2", "else: 3"],
            [(6, _ELSE)],
        ),
        (["if a:", "    for v in x:", "        y = v", "    else:", "        y = 3"], [(5, _ELSE)]),
        (["y = v", "else:", "    y = 3"], [(3, "expected a statement")]),
        (["@checkpoint", "else:", "    y = 3"], [(3, "the `def`"), (3, "expected a statement")]),
        (["elif a:", "    y = 3", "in y"], [(2, "the keyword 'elif'"), (4, "the keyword 'in'")]),
    ],
)
def test_words_that_carry_on_nothing_are_told_once(lines, told):
    errors = refused("def f(x):\n" + "".join(f"    {line}\n" for line in lines))
    assert [error.span.line for error in errors] == [line for line, _ in told]
    for error, (_, message) in zip(errors, told, strict=True):
        assert message in error.message


@pytest.mark.parametrize("line", ["x\n", "def\n", "$\n", ")\n", "const a = 1_\n"])
def test_the_number_of_errors_is_bounded(line):
    assert len(refused(line * 1000)) == MAX_ERRORS


CHAINS = [
    pytest.param(" + ".join(["x"] * 3000), id="sum"),
    pytest.param(" - ".join(["x * 2 / y"] * 3000), id="sum of products"),
    pytest.param("(" * 3000 + "x" + " + 1)" * 3000, id="parentheses that change nothing"),
    pytest.param(" or ".join(["a and b"] * 3000), id="conditions"),
    pytest.param(" < ".join(["x"] * 3000), id="comparisons"),
    pytest.param("x" + ".relu()" * 500, id="methods"),
    pytest.param("x" + "[0]" * 1000, id="elements"),
    pytest.param("x" + "(1)" * 1000, id="calls"),
]


@pytest.mark.parametrize("text", CHAINS)
def test_a_long_chain_is_not_deep(text):
    tree = parse_expression(text)
    assert tree == parse_expression(text) and hash(tree) == hash(parse_expression(text))
    assert tree != parse_expression(text.replace("x", "z", 1).replace("a", "z", 1))
    assert parse_expression(unparse(tree)) == tree
    assert len(repr(tree)) > 3000


def test_the_operands_of_a_chain_are_its_children():
    tree = parse_expression("a * b + c - d")
    assert list(children(tree)) == [parse_expression("a * b"), Name("c"), Name("d")]
    assert repr(parse_expression("a + b")) == (
        "Binary(left=Name(id='a'), operator='+', right=Name(id='b'))"
    )
    assert parse_expression("a + b") != parse_expression("a - b") != Name("a")


def test_members_calls_and_elements_are_told_apart():
    texts = ["x.y", "x(y)", "x[y]", "x.y()", "x.y[0]", "x.y(1)", "x.y(k=1)", "z.y", "x.y.y", "x"]
    trees = [parse_expression(text) for text in texts]
    assert len(set(trees)) == len(trees)
    assert [unparse(tree) for tree in trees] == texts
    assert all(eval(repr(tree), vars(syntax)) == tree for tree in trees)


ELIFS = "".join(f"    elif x > {n}:\n        y = {n}\n" for n in range(3000))


def test_a_long_chain_of_conditions_is_not_deep():
    text = f"def f(x):\n    if x > 9:\n        pass\n{ELIFS}    else:\n        pass\n"
    tree = parse(text)
    assert tree == parse(text) and hash(tree) == hash(parse(text))
    assert tree != parse(text.replace("= 2999", "= 2998")) != parse(text.replace("else", "elif x"))
    assert repr(tree).count("If(") == 3001
    assert format_source(text) == text


def test_conditions_print_as_they_are_written():
    module = parse(
        "def f(x):\n    if x:\n        pass\n    elif y:\n        pass\n    else:\n        z = 1\n"
    )
    assert eval(repr(module), vars(syntax)) == module


def test_real_nesting_inside_of_a_chain_is_bounded():
    deep = "(" * 200 + "x" + " + 1) * 2" * 200
    with pytest.raises(SourceError, match="nests more than 100 deep"):
        parse_expression(" + ".join(["x"] * 200) + " + " + deep)


def test_blocks_nest_only_so_deep():
    text = "def f():\n" + "".join(" " * n + "if x:\n" for n in range(1, 100)) + " " * 100 + "pass"
    (error,) = refused(text)
    assert "blocks are nested more than 32 deep" in error.message


WORDS = """
def model if elif else while for in return update state param dim const export import from as pass
not and x y sum [ ] ( ) : , . .. ... = == + - * ** -> @ 1 2.5 'a' # \\ $ None True
"""
LAYOUT = ["\n", "\n    ", "\n  ", "\n\t", "\r", " ", ":\n    "]
PIECES = ['"""', "'", "\0", "\ud800", "at most", "multiple of"]
FRAGMENTS = st.sampled_from([*WORDS.split(), *LAYOUT, *PIECES])


@given(st.lists(FRAGMENTS, max_size=40).map(" ".join) | st.text(max_size=80))
@example("\n @ \n :")
@settings(max_examples=1000, deadline=None)
def test_any_text_gives_a_tree_or_an_error_with_a_place(text):
    for read in (parse, parse_expression):
        try:
            read(text)
        except GraphcError as error:
            assert isinstance(error, SourceError | ErrorGroup)
            errors = error.errors if isinstance(error, ErrorGroup) else (error,)
            assert 1 <= len(errors) <= MAX_ERRORS
            assert len({(part.span, part.message) for part in errors}) == len(errors)
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            for part in errors:
                assert part.span is not None
                assert 1 <= part.span.line <= len(lines)
                assert 1 <= part.span.column <= len(lines[part.span.line - 1]) + 1
                assert part.render()


def test_a_printed_graph_of_many_lines():
    lines = [f"    v{n + 1} = add(v{n}, v{n}, axis=(0,))" for n in range(2000)]
    module = parse("\n".join(["def main(v0: f32[B]) -> f32[B]:", *lines, "    return v2000"]))
    body = module.body[0].body
    assert len(body) == 2001
    assert body[1999] == Assign(
        Name("v2000"),
        Call(
            Name("add"),
            (Name("v1999"), Name("v1999")),
            (Keyword("axis", Tuple((Integer(0),))),),
        ),
    )
