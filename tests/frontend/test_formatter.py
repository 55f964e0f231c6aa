"""The formatter: same tree, same comments, and nothing left to change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syntax_trees import EXPRESSIONS, MODULES, TYPES

from graphc.frontend.formatting.formatter import format_source, unparse
from graphc.frontend.formatting.layout import WIDTH
from graphc.frontend.parsing.lexer import Lexer
from graphc.frontend.parsing.parser import parse, parse_expression
from graphc.frontend.syntax import Constant, Module, Parameter


def comment_texts(source):
    lexer = Lexer(source, "<text>")
    lexer.run()
    return sorted(comment.text for comment in lexer.comments)


@given(EXPRESSIONS)
@settings(max_examples=300, deadline=None)
def test_printed_expressions_parse_to_the_same_tree(expression):
    assert parse_expression(unparse(expression)) == expression
    assert parse(unparse(Constant("X", expression))).body == (Constant("X", expression),)


@given(MODULES)
@settings(max_examples=150, deadline=None)
def test_printed_modules_parse_to_the_same_tree(module):
    text = unparse(module)
    assert parse(text) == module
    assert format_source(text) == text


@given(TYPES)
@settings(max_examples=100, deadline=None)
def test_printed_types_parse_to_the_same_tree(annotation):
    function = parse(f"def f(x: {unparse(annotation)}):\n    pass\n").body[0]
    assert function.parameters == (Parameter("x", annotation),)


@given(MODULES, st.data())
@settings(max_examples=150, deadline=None)
def test_comments_survive_anywhere(module, data):
    lines = unparse(module).split("\n")[:-1]
    inside = docstring_lines(lines)
    for number in range(len(lines)):
        if number not in inside and data.draw(st.booleans()):
            lines[number] += f"  # behind {number}"
    commented = []
    for number, line in enumerate(lines):
        if number not in inside and data.draw(st.booleans()):
            column = data.draw(st.integers(0, 8))
            commented.append(" " * column + f"# above {number}")
        commented.append(line)
    source = "\n".join(commented) + "\n"
    formatted = format_source(source)
    assert parse(formatted) == module
    assert comment_texts(formatted) == comment_texts(source)
    assert format_source(formatted).split("\n") == formatted.split("\n")


def docstring_lines(lines):
    """The lines that end or begin inside a string of several lines."""
    inside, is_open = set(), False
    for number, line in enumerate(lines):
        if is_open or line.count('"""') % 2:
            inside.add(number)
        if line.replace('\\"', "").count('"""') % 2:
            is_open = not is_open
    return inside


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("const A=0XFF", "const A = 0xff\n"),
        ("const A=1_0.", "const A = 1_0.0\n"),
        ("const A=.5E+3", "const A = 0.5e3\n"),
        ("const A = 'a\"b'", 'const A = "a\\"b"\n'),
        ("const A = ((1))", "const A = 1\n"),
        ("const A = x[a : b, 1+2:]", "const A = x[a:b, 1 + 2 :]\n"),
        ("const A = x**2 + f(y)**2", "const A = x**2 + f(y) ** 2\n"),
        ("dim T : 8 .. 1024 multiple  of 8", "dim T: 8..1024 multiple of 8\n"),
        ("from a import (b,c as d,)", "from a import b, c as d\n"),
        ("#text\n#!keep\n####\n", "# text\n#!keep\n####\n"),
        ("pass\n\n\n\n\npass\n", "pass\n\n\npass\n"),
        ("pass\ndef f():\n\n    pass\n\n\n\n    return\npass", None),
        ("", ""),
        ("\n\n# only\n\n", "# only\n"),
    ],
)
def test_canonical_text(source, expected):
    if expected is None:
        expected = "pass\n\n\ndef f():\n    pass\n\n    return\n\n\npass\n"
    assert format_source(source) == expected


def test_long_lines_break_at_brackets_and_operators():
    source = (
        "def long_function(first: f32[B, 64], second: f32[B, 64], third: f32[B, 64] = 1) "
        "-> f32[B]:\n"
        f"    x = call({'argument, ' * 12})\n"
        f"    y = {'operand * ' * 10}a + {'operand * ' * 5}b\n"
        f"    return {'result, ' * 12}last\n"
    )
    formatted = format_source(source)
    assert max(len(line) for line in formatted.split("\n")) <= WIDTH
    assert formatted.startswith(
        "def long_function(\n    first: f32[B, 64],\n    second: f32[B, 64],\n"
        "    third: f32[B, 64] = 1,\n) -> f32[B]:\n    x = call(\n        argument,\n"
    )
    assert parse(formatted) == parse(source)


def test_comments_stay_with_what_they_explain():
    source = (
        "def f(\n    # above x\n    x: f32[B],  # behind x\n):  # header\n"
        "    if x:  # condition\n        y = 1\n        # end of the block\n"
        "    # above else\n    else:  # other\n        y = g(\n"
        "            1,  # one\n            # last\n        )\n"
        "    return y  # result\n    # end of f\n\n\n# end\n"
    )
    assert format_source(source) == source


@given(st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_comments_alone_are_a_program(text):
    comment = "# " + "".join(c for c in text if c.isalnum())
    assert format_source(comment) == comment.rstrip() + "\n"
    assert unparse(Module(())) == ""
