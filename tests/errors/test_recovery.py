"""Several errors of one run: each is told once, and nothing that merely follows from another."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from graphc.errors import GraphcError, UsageError
from graphc.frontend.elaborate import elaborate
from graphc.library import library

HEAD = "dim B: 1..64\n"

# Each text has the lines that are refused, with their codes, marked by a comment.
PROGRAMS = {
    "statements of a function": """
def f(x: f32[B, 3], w: f32[4, 5]):
    a = x @ w  # shape-mismatch
    b = sofmax(x)  # unknown-name
    c = x + 1
    return c[0, 9]  # index
export f = f
""",
    "what follows from an error is silent": """
def f(x: f32[B, 3]):
    a = sofmax(x)  # unknown-name
    b = a * 2
    b += a
    c, d = b, a
    e[i] = sum[j] c[i, j]
    for t in range(3):
        e = e + c
    if e[0] > 0:
        e = c
    return e
export f = f
""",
    "an error after what follows from another": """
def f(x: f32[B, 3]):
    a = sofmax(x)  # unknown-name
    b = a * 2
    return x.reshap(3)  # unknown-name
export f = f
""",
    "a name that is assigned anew is known again": """
def f(x: f32[B, 3]):
    a = sofmax(x)  # unknown-name
    a = x
    return a @ a  # shape-mismatch
export f = f
""",
    "functions that are called": """
def g(x):
    y = x @ x  # shape-mismatch
    return z + y  # unknown-name
def f(x: f32[2, 3]):
    a = g(x)
    b = g(x) + a
    return x[7]  # index
export f = f
""",
    "members of a model": """
model M(n=3):
    a = Liner(n, n)  # unknown-name
    b = Linear(n)  # argument-missing
    c = [a, b]
    param w: f32[B]  # not-static
    param v: f32[3] = "one"  # initializer
    def forward(x: f32[B, n]):
        return a(x) + v
export f = M.forward
""",
    "bodies of loops and branches": """
def f(x: f32[3], z: f32[3]):
    for t in range(3):
        a = x + y  # unknown-name
        b = x[8]  # index
        x = x + a
    if True:
        c = z * q  # unknown-name
        d = relu(z, 1, 2)  # argument-count
    return x
export f = f
""",
    "a branch that may return ends what is known": """
def f(x: f32[3]):
    if missing(x) > 3:  # unknown-name
        return x
    return y
export f = f
""",
    "nothing is reached after a return": """
def f(x: f32[3]):
    return y  # unknown-name
    return z
export f = f
""",
    "definitions at the top": """
const N = 1 // 0  # arithmetic
const M = N + 1
dim C: 1..N
dim D: 4..1  # dim-range
def f(x: f32[N, C, D]):
    y = x * M
    return y @ q
def g(x: f32[3]):
    return x + q  # unknown-name
export f = f
export g = g
""",
    "a model that fails": """
model P():
    param w: f32[B]  # not-static
    def forward(x: f32[3]):
        return x
model Q():
    p = P()
    def forward(x: f32[3]):
        return p(x)
export p = P.forward
export q = Q.forward
""",
    "an export and its functions": """
def f(x: f32[3]):
    return x + one  # unknown-name
def g(x):
    return x + two
export f = f
export n = 3  # export
""",
}
FILES = {
    "parts.gc": "const N = 1 // 0\nmodel P():\n    fc = Liner(3, 3)\n    def forward(x):\n"
    "        return fc(x) + N\ndef g(x):\n    return x + h\n",
    "broken.gc": "const N =\n\nconst M 3\n",
}


def told(text: str, files: Mapping[str, str] | None = None) -> list[tuple[str, int, str]]:
    def read(path: str) -> str:
        if path not in (files or {}):
            raise UsageError("it is not there")
        return (files or {})[path]

    with pytest.raises(GraphcError) as caught:
        elaborate(text, "main.gc", library(), read)
    spans = [(one.span, one.code) for one in caught.value.errors]
    return [(span.file, span.line, code) for span, code in spans if span is not None]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_error_is_told_once(name: str) -> None:
    text = HEAD + PROGRAMS[name]
    marked = [
        ("main.gc", number, line.split("  # ")[1])
        for number, line in enumerate(text.split("\n"), 1)
        if "  # " in line
    ]
    assert told(text) == marked


def test_errors_of_several_files_are_told_in_one_run() -> None:
    text = (
        "import broken\nfrom parts import P, g, N\nimport missing\nconst K = broken.N + N\n"
        "def f(x: f32[3], net: P):\n    y = g(x)\n    return broken.q(x) + K + z\n"
        "model M():\n    p = P()\n    def forward(x: f32[3]):\n        return p(x) * w\n"
        "def h(x: f32[3]):\n    return g(x)\n"
    )
    assert told(text, FILES) == [
        ("broken.gc", 1, "syntax"),
        ("broken.gc", 3, "syntax"),
        ("main.gc", 3, "import"),
        ("parts.gc", 1, "arithmetic"),
        ("parts.gc", 3, "unknown-name"),
        ("parts.gc", 7, "unknown-name"),
    ]


def test_their_number_is_bounded() -> None:
    body = "".join(f"    a{i} = b{i}\n" for i in range(50))
    found = told(f"def f(x: f32[3]):\n{body}    return x\nexport f = f\n")
    assert found == [("main.gc", line, "unknown-name") for line in range(2, 22)]


def test_each_error_says_where_its_function_is_called() -> None:
    text = "def g(x):\n    a = b\n    c = d\n    return x\ndef f(x: f32[3]):\n    return g(x)\n"
    with pytest.raises(GraphcError) as caught:
        elaborate(text + "export f = f\n", "main.gc", library())
    assert [one.notes for one in caught.value.errors] == [("in g, called at main.gc:6:12",)] * 2
