"""Any text at all gives a program or an error with a place: no other exception, and no hang.

Each text has its number as its seed, and a failure names it.
"""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from graphc.errors import ErrorGroup, GraphcError, SourceError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.formatting.formatter import format_source
from graphc.frontend.parsing.parse_table import parse_table
from graphc.frontend.parsing.parser import parse
from graphc.frontend.parsing.tokens import KEYWORDS
from graphc.ir.op import functions
from graphc.library import library
from tests.fuzzing import count

COUNT = count(1500)
PARTS = 10
SECONDS = 60
"""Processor time that a text may take: many times what any takes, however busy the machine is."""

ROOT = Path(__file__).parent.parent.parent
FILES = sorted(
    path
    for folder in ("examples", "tests", "docs", "benchmarks")
    for path in (ROOT / folder).rglob("*.gc")
)
SNIPPETS = [
    'dim B: 1..64 multiple of 8\ndef f(x: f32[B, 3], y: f32[B, 3]):\n    """Doc."""\n'
    "    s: f32[B] = x.sum(-1)\n    return s, y[:, 0] * 2 - s / 3\nexport f = f\n",
    "const N = 4\nmodel M(n=N, deep=True):\n    fc1 = Linear(n, n)\n"
    "    layers = [Linear(n, n, bias=False) for _ in range(2)]\n"
    "    param w: f32[n, n] = normal(std=0.02)\n    state steps: i32[] = zeros()\n"
    "    def forward(x: f32[2, n]) -> f32[2, n]:\n        for layer in layers:\n"
    "            x = relu(layer(x))\n        update steps = steps + 1\n"
    "        if deep and n > 2:\n            x += fc1(x) @ w.T\n        else:\n            pass\n"
    "        return x\nexport f = M.forward\n",
    "def attend(q: f32[2, 3, 4], k: f32[2, 5, 4]):\n"
    "    s[b, i, j] = sum[d] q[b, i, d] * k[b, j, d] / sqrt(4)\n"
    "    return softmax(s, axis=-1).permute_dims(0, 2, 1)[..., ::2]\nexport attend = attend\n",
    "dim H: 2..9\ndef f(x: f32[H]) -> f32[H - 1]:\n    y[i: H, j: 3] = x[(i + j) % H]\n"
    "    z[i] = where(i > 0, y[i - 1, i // 9], 0) - sum[k: 2] y[i + k, 2 * k]\n"
    "    return z\nexport f = f\n",
    "model M(n=3):\n    fc = Linear(n, 2)\n    def forward(x: f32[4, n]):\n"
    "        return fc(x)\ndef loss(net: M, x: f32[4, 3], y: i32[4]) -> f32[]:\n"
    "    return cross_entropy(net(x), y)\n"
    "export train = train_step(M, loss, adamw(lr=1e-3, weight_decay=0.1))\n",
    "dim T: 0..5\ndef slope(x, value, g):\n    return g * value\n@gradient(slope)\n"
    "def bent(x: f32[..., 3]) -> f32[..., 3]:\n    return tanh(x)\n@checkpoint\n"
    "def energy(x: f32[3]) -> f32[]:\n    return sum(bent(x) ** 2)\nmodel Net:\n"
    "    state seen: i32[] = 0\n    drop = Dropout(0.5)\n"
    "    def forward(s: f32[T, 3], h: f32[3]) -> (f32[3], f32[T, 3]):\n"
    "        for t in range(T):\n            update seen = seen + 1\n"
    "            h = grad(energy)(h) + s[t] * rand(3)\n            hs[t] = h\n"
    "        if sum(h) > 0:\n            h = h.at[1:].set(0.5)\n        return drop(h), hs\n"
    "export f = Net.forward\n",
    "def f(x: f32[3]):\n    while x[0] < 1, at most 10:\n        x = where(x > 0, x, -x)\n"
    '    t = (x, [x, (1, "two")], not True, 0x1f, 1e-3, inf)\n    a, b = t[1]\n'
    "    return a if 1 < 2 <= 3 else b\nexport f = f\n",
    "def g(x, m: f32[3] = None, n=None):\n    if m is not None and n is None:\n        x = x * m\n"
    "    return x if n is None else x + len(n)\ndef f(x: f32[3]):\n"
    "    return g(x), g(x, x), g(x, n=x[[[0, 1], [2, 0]]])\nexport f = f\n",
]
PROGRAMS = [path.read_text(encoding="utf-8") for path in FILES] + SNIPPETS
WORDS = sorted({*parse_table().words, *KEYWORDS})
NAMES = ["x", "f", "M", "B", "f32", "sum", "relu", "Linear", "range", "forward", "_", "__init__"]
NUMBERS = ["0", "1", "-1", "2", "3", "1e400", "0x", "9" * 40, "1" * 5000, "1_", ".5", "1e-9", "07"]
NUMBERS += [str(2**31), str(2**63 - 1), str(2**63), str(2**64 - 1), "1000000", "100000", "1e308"]
TEXTS = ['"a"', "'", '"', '"""', '"\\', '"\\x', '"""doc"""', '"\\ud800"']
LAYOUT = [
    "\n",
    "\r",
    "\r\n",
    "\n    ",
    "\n        ",
    "\n\t",
    " ",
    "  ",
    "\\\n",
    "# c\n",
    "\f",
    "\x0b",
]
OPERATORS = ["+", "-", "*", "/", "//", "%", "@", "**", "&", "|", "^", "<<", ">>", "<", "==", "~"]
OPERATORS += ["+=", "->", "..", "...", ":", ",", ".", "=", "(", ")", "[", "]", "{", "}", "!", "?"]
INFIXES = ["+", "-", "*", "/", "//", "%", "@", "**", "&", "|", "^", "<<", ">>", "<", "==", ">="]
INFIXES += [" is ", " is not ", " and ", " or "]
LIBRARY = sorted(library())
ODD = ["\0", "\x1b", "\u202e", "\ufeff", "\ud800", "\u00a0", "é", "ﬁ", "𝔁", "變", "\u0301", "²"]
TOKENS = [*WORDS, *NAMES, *NUMBERS, *TEXTS, *LAYOUT, *OPERATORS, *ODD]

Make = Callable[[random.Random], str]


def random_text(rng: random.Random) -> str:
    top = rng.choice([0x80, 0x100, 0x3000, 0x110000])
    return "".join(chr(rng.randrange(top)) for _ in range(rng.randrange(200)))


def token_soup(rng: random.Random) -> str:
    space = rng.choice(["", " ", " "])
    return space.join(rng.choice(TOKENS) for _ in range(rng.randrange(120)))


def words_of(text: str, rng: random.Random) -> list[str]:
    """The text cut at random places near the borders of its words."""
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(2, 60)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def mutated(rng: random.Random) -> str:
    """A program with a few tokens replaced, dropped, repeated or exchanged."""
    lines = rng.choice(PROGRAMS).splitlines(keepends=True)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(lines))
        kind = rng.randrange(6)
        if kind == 0:
            lines.insert(at, rng.choice(lines))
        elif kind == 1 and len(lines) > 1:
            del lines[at]
        else:
            lines[at] = mutated_line(lines[at], rng)
    return "".join(lines)


def mutated_line(line: str, rng: random.Random) -> str:
    parts = split_words(line)
    if not parts:
        return rng.choice(TOKENS)
    at = rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            parts[at] = rng.choice(TOKENS)
        case 1:
            parts.insert(at, rng.choice(TOKENS))
        case 2:
            del parts[at]
        case _:
            other = rng.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
    return "".join(parts)


def split_words(line: str) -> list[str]:
    """The words, numbers, blanks and other characters of a line."""
    return re.findall(r"\w+| +|[^\w ]", line)


def substituted(rng: random.Random) -> str:
    """A program in which words, numbers and operators stand for others of their kind.

    Most of these can be parsed, and are wrong in what they mean.
    """
    text = rng.choice(PROGRAMS)
    own = sorted(set(re.findall(r"[^\W\d]\w*", text)))
    parts = split_words(text)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(parts))
        if parts[at].isdecimal():
            parts[at] = rng.choice(NUMBERS)
        elif parts[at].isidentifier() and parts[at] not in WORDS:
            parts[at] = rng.choice([*own, *LIBRARY, *functions])
        elif parts[at] in "+-*/%@<>|&^":
            parts[at] = rng.choice(INFIXES)
    return "".join(parts)


def spliced(rng: random.Random) -> str:
    """Pieces of several programs one after the other."""
    pieces = [rng.choice(words_of(rng.choice(PROGRAMS), rng)) for _ in range(rng.randrange(1, 8))]
    return "".join(pieces)


def nested(rng: random.Random) -> str:
    depth = rng.choice([5, 31, 33, 99, 101, 1000])
    opening, middle, closing = rng.choice(
        [
            ("(", "x", ")"), ("[", "x", "]"), ("-", "x", ""), ("not ", "x", ""), ("f(", "x", ")"),
            ("", "x", ".relu()"), ("", "x", "[0]"), ("", "x", " + x"), ("x ** ", "x", ""),
            ("x if True else ", "x", ""), ("(", "x", " + 1) * 2"), ("sum[i] ", "x[i]", ""),
            ("[", "x", " for i in range(1)]"), ("", "x", " and True"), ("", "x", " < x"),
        ]
    )  # fmt: skip
    value = opening * depth + middle + closing * depth
    return f"def f(x: f32[2]):\n    y = {value}\n    return y\nexport f = f\n"


def nested_blocks(rng: random.Random) -> str:
    depth = rng.choice([5, 31, 33, 200])
    header = rng.choice(["if True:", "for i in range(1):", "def g(x):", "while x, at most 1:"])
    lines = ["def f(x: f32[2]):"]
    lines += ["    " * (level + 1) + header for level in range(depth)]
    lines += ["    " * (depth + 1) + "y = x", "    return x", "export f = f", ""]
    return "\n".join(lines)


def huge(rng: random.Random) -> str:
    """Very long lines, names, numbers and lists, and very many lines."""
    n = rng.choice([100, 1000, 10_000])
    a, b, c = (rng.choice(NUMBERS) for _ in range(3))
    names = ", ".join(f"x{i}: f32[2]" for i in range(n // 10))
    return rng.choice(
        [
            f"const {'n' * n} = 1\n",
            f"const N = {'n' * n}\n",
            f"const N = {a} ** {b}\n",
            f"const N = {a} << {b}\n",
            f"const N = [{', '.join(['1'] * n)}]\n",
            f"const N = {' '.join(['1 +'] * n)} 1\n",
            f"const N = [i for i in range({a})]\n",
            f"dim B: {a}..{b} multiple of {c}\ndef f(x: f32[B, B]):\n    return x\nexport f = f\n",
            f"def f(x: f32[{a}, {b}]):\n    return x\nexport f = f\n",
            f"def f(x: f32[2]):\n    return reshape(x, {a}, 1)\nexport f = f\n",
            f"def f(x: f32[2]):\n    return zeros(({a}, {b}))\nexport f = f\n",
            f"model M():\n    fc = Linear({a}, {b})\n"
            "    def forward(x: f32[2]):\n        return fc(x)\nexport f = M.forward\n",
            f"def f({names}):\n    return x0\nexport f = f\n",
            "\n" * n + "x",
            "#" * n,
            '"' + "a" * n,
            "    " * n + "x\n",
        ]
    )


KINDS: dict[str, tuple[Make, float]] = {
    "random text": (random_text, 1),
    "token soup": (token_soup, 3),
    "mutated programs": (mutated, 5),
    "substituted programs": (substituted, 10),
    "spliced programs": (spliced, 3),
    "nested expressions": (nested, 0.2),
    "nested blocks": (nested_blocks, 0.2),
    "huge": (huge, 0.4),
}


def source(number: int) -> str:
    rng = random.Random(number)
    makes = [make for make, _ in KINDS.values()]
    return rng.choices(makes, [weight for _, weight in KINDS.values()])[0](rng)


@contextmanager
def watchdog(what: str) -> Iterator[None]:
    def bark(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"{what} takes more than {SECONDS} s of processor time")

    before = signal.signal(signal.SIGPROF, bark)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check_errors(error: GraphcError, text: str) -> None:
    """Every error has a place in the text, and can be rendered."""
    lines = text.count("\n") + text.count("\r") + 1
    for one in error.errors if isinstance(error, ErrorGroup) else (error,):
        assert one.span is not None and one.code != "error", one.render()
        assert 1 <= one.span.line <= lines + 1 and one.span.column >= 1, one.span
    assert all(len(line) < 2000 for line in error.render().splitlines())


def check_source(text: str) -> None:
    try:
        tree = parse(text, "fuzz.gc")
    except (SourceError, ErrorGroup) as error:
        check_errors(error, text)
        return
    formatted = format_source(text, "fuzz.gc")
    assert parse(formatted, "fuzz.gc") == tree
    assert format_source(formatted, "fuzz.gc") == formatted
    try:
        elaborate(text, "fuzz.gc", library())
    except GraphcError as error:
        check_errors(error, text)


@pytest.mark.parametrize("part", range(PARTS))
def test_any_text_gives_a_program_or_an_error_with_a_place(part: int) -> None:
    for number in range(part, COUNT, PARTS):
        text = source(number)
        with watchdog(f"text {number}"):
            try:
                check_source(text)
            except Exception as error:
                error.add_note(f"text {number}:\n{text[:2000]!r}")
                raise


@pytest.mark.parametrize("text", SNIPPETS)
def test_the_programs_that_are_mutated_are_programs(text: str) -> None:
    if "at most" not in text:
        elaborate(text, "fuzz.gc", library())
