"""Bad programs: what each of them is told, where, and what to do about it."""

from dataclasses import dataclass

import pytest

from graphc.errors import ErrorGroup, GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.library import library

HEAD = "dim B: 1..64\n"


@dataclass(frozen=True)
class Told:
    """One error: its code, its place, and parts of its text."""

    code: str
    line: int
    column: int
    message: str
    hint: str = ""


def function(*lines: str, parameters: str = "x: f32[B, 3]", before: str = HEAD) -> str:
    """A program with one exported function; its body begins on line 3."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"{before}def f({parameters}):\n{body}export f = f\n"


def model(*lines: str, call: str = "return x", before: str = HEAD) -> str:
    """A program with one exported model; its body begins on line 3."""
    body = "".join(f"    {line}\n" for line in lines)
    return (
        f"{before}model M(n=3):\n{body}    def forward(x: f32[B, n]):\n        {call}\n"
        "export f = M.forward\n"
    )


PROGRAMS: dict[str, tuple[str, list[Told]]] = {
    # -- names
    "unknown name": (
        function("return sofmax(x)"),
        [Told("unknown-name", 3, 12, "'sofmax'", "did you mean 'softmax'")],
    ),
    "a complex result where a real one is declared": (
        HEAD + "def f(x: c64[B]) -> f32[B]:\n    return x\nexport f = f\n",
        [Told("dtype-mismatch", 3, 12, "is c64[B], expected f32[B]", "real(x)")],
    ),
    "a name that only a loop assigns": (
        function("for row in x:", "    h = row * 2", "return h"),
        [Told("unknown-name", 5, 12, "'h' has no value: it has none", "before the loop")],
    ),
    "a name that only a bounded loop assigns": (
        function("while max(x) > 1, at most 3:", "    h = x", "    x = x / 2", "return h"),
        [Told("unknown-name", 6, 12, "may run 0 times", "before the loop")],
    ),
    "a name that only one block assigns": (
        function("if max(x) > 1:", "    h = x", "return h"),
        [Told("unknown-name", 5, 12, "'h' has a value in one block", "before the branch")],
    ),
    "unknown name of another case": (
        function("return X"),
        [Told("unknown-name", 3, 12, "'X'", "did you mean 'x'")],
    ),
    "unknown layer": (
        model("fc = Liner(n, 4)"),
        [Told("unknown-name", 3, 10, "'Liner'", "did you mean 'Linear'")],
    ),
    "unknown method of a tensor": (
        function("return x.reshap(3)"),
        [Told("unknown-name", 3, 12, "'reshap'", "did you mean 'reshape'")],
    ),
    "unknown member of a model": (
        "model M(n=3):\n    fc = Linear(n, n)\n    def forward(x: f32[3]):\n"
        "        return fc.wieght @ x\nexport f = M.forward\n",
        [Told("unknown-name", 4, 16, "'wieght'", "did you mean 'weight'")],
    ),
    "unknown dtype": (
        function("return x", parameters="x: float[B]"),
        [Told("dtype-unknown", 2, 10, "'float'", "f32 or f64")],
    ),
    "undeclared dim of an export": (
        function("return x", parameters="x: f32[Batch, 3]"),
        [Told("unknown-name", 2, 14, "'Batch'")],
    ),
    "local name before it is assigned": (
        function("y = z", "z = x", "return y"),
        [Told("unknown-name", 3, 9, "'z'")],
    ),
    "two functions of one name": (
        "def f(x: f32[2]):\n    return x\ndef f(x: f32[3]):\n    return x\n",
        [Told("duplicate", 3, 1, "'f' is defined twice", "line 1")],
    ),
    "two exports of one name": (
        "def f(x: f32[2]):\n    return x\nexport g = f\nexport g = f\n",
        [Told("duplicate", 4, 1, "'g' is defined twice", "line 3")],
    ),
    "two parameters of one name": (
        function("return x", parameters="x: f32[2], x: f32[3]"),
        [Told("duplicate", 2, 18, "'x'")],
    ),
    "two members of one name": (
        model("a = Linear(n, n)", "a = Linear(n, n)"),
        [Told("duplicate", 4, 5, "'a'", "rename")],
    ),
    "member that every model has": (
        model("param parameters: f32[3]"),
        [Told("reserved-name", 3, 5, "'parameters'", "another name")],
    ),
    "underscore dim": (
        "dim _B: 1..4\n",
        [Told("dim-name", 1, 1, "'_B'", "call it 'B'")],
    ),
    # -- dims
    "empty range": ("dim B: 4..1\n", [Told("dim-range", 1, 1, "4..1", "smaller number first")]),
    "fraction as a bound": ("dim B: 1..4.5\n", [Told("size", 1, 11, "4.5")]),
    "dim as a bound": (
        "dim A: 1..4\ndim B: 1..A\n",
        [Told("not-static", 2, 11, "A is a dim")],
    ),
    "argument out of range": (
        HEAD + "def g(x: f32[B]):\n    return x\n"
        "def f(x: f32[100]):\n    return g(x)\nexport f = f\n",
        [Told("dim-out-of-range", 5, 14, "100", "widen the declaration of B")],
    ),
    "sizes of state are numbers": (
        model("param w: f32[B]"),
        [Told("not-static", 3, 14, "sizes are numbers", "const")],
    ),
    # -- shapes and dtypes
    "matmul of shapes that do not fit": (
        function("return x @ w", parameters="x: f32[B, 64], w: f32[32, 10]"),
        [Told("shape-mismatch", 3, 12, "64")],
    ),
    "addition of shapes that do not fit": (
        function("y = x[:, :2]", "return x + y"),
        [Told("shape-mismatch", 4, 12, "[B, 3]")],
    ),
    "addition of dtypes that do not fit": (
        function("return x + y", parameters="x: f32[B], y: i32[B]"),
        [Told("dtype-promotion", 3, 12, "i32 and f32", "cast the i32 operand to f32")],
    ),
    "dims are unified": (
        HEAD + "def g(a: f32[N], b: f32[N]):\n    return a + b\n"
        "def f(x: f32[B], y: f32[5]):\n    return g(x, y)\nexport f = f\n",
        [Told("shape-mismatch", 5, 17, "the argument 'b' of g is f32[5], expected f32[N]")],
    ),
    "argument of another rank": (
        HEAD + "def g(a: f32[N, 2]):\n    return a\n"
        "def f(x: f32[B]):\n    return g(a=x)\nexport f = f\n",
        [Told("shape-mismatch", 5, 16, "of 1 axes; expected f32[N, 2], of 2")],
    ),
    "argument of another dtype": (
        "def g(a: i32[N]):\n    return a\ndef f(x: f32[2]):\n    return g(x)\nexport f = f\n",
        [Told("dtype-mismatch", 4, 14, "the argument 'a' of g is f32[2]", "cast(x, i32)")],
    ),
    "result of another shape": (
        HEAD + "def f(x: f32[B, 3]) -> f32[B]:\n    return x[:, :2]\nexport f = f\n",
        [Told("shape-mismatch", 3, 12, "the result of f is f32[B, 2]", "write f32[B, 2]")],
    ),
    "result of another size": (
        HEAD + "def f(x: f32[B, 3]) -> f32[B, 4]:\n    return x\nexport f = f\n",
        [Told("shape-mismatch", 3, 12, "3 meets 4", "write f32[B, 3] in the annotation")],
    ),
    "a tuple is expected": (
        "def f(x: f32[3]) -> (f32[3], f32[]):\n    return x\nexport f = f\n",
        [Told("annotation", 2, 12, "expected a tuple of 2")],
    ),
    "no return": (
        "def f(x: f32[3]) -> f32[3]:\n    y = x\nexport f = f\n",
        [Told("annotation", 1, 1, "ends without `return`", "return value")],
    ),
    "annotated assignment": (
        function("y: f32[B, 4] = x", "return y"),
        [Told("shape-mismatch", 3, 20, "'y' is f32[B, 3], expected f32[B, 4]")],
    ),
    "layer of another size": (
        model("fc = Linear(4, 5)", call="return fc(x)"),
        [Told("shape-mismatch", 5, 16, "Linear(4, 5) takes [..., 4]", "in_features")],
    ),
    "index out of range": (
        function("return x[:, 3]"),
        [Told("index", 3, 17, "axis 1 of f32[B, 3]", "3 elements")],
    ),
    "axis that is not there": (
        function("return sum(x, axis=2)"),
        [Told("axis", 3, 12, "no axis 2", "-2 to 1")],
    ),
    # -- calls
    "argument too many": (
        function("return expand_dims(x, 1, 2)"),
        [Told("argument-count", 3, 12, "expand_dims takes 2 arguments, 3", "expand_dims(x, axis)")],
    ),
    "argument missing": (
        function("return g(x)", before="def g(a, b): return a\n".replace(": ", ":\n    ") + HEAD),
        [Told("argument-missing", 5, 12, "g needs the argument 'b'", "g(a, b)")],
    ),
    "argument unknown": (
        function("return softmax(x, axs=1)"),
        [Told("argument-unknown", 3, 12, "'axs'", "did you mean 'axis'")],
    ),
    "argument twice": (
        function("return softmax(x, x=x)"),
        [Told("argument-twice", 3, 12, "'x'")],
    ),
    "layer without its arguments": (
        model("fc = Linear(3)"),
        [Told("argument-missing", 3, 10, "'out_features'", "Linear(in_features, out_features")],
    ),
    "tensor for a shape": (
        function("return ones(x)"),
        [Told("argument", 3, 12, "ones: shape is tensor f32[B, 3]")],
    ),
    "slice in a type": (
        function("return x", parameters="x=f32[:]"),
        [Told("size", 2, 9, "is no size", "f32[B, 64]")],
    ),
    "number where a tensor has an axis": (
        function("return softmax(3)"),
        [Told("axis", 3, 12, "softmax")],
    ),
    "text for a number": (
        model('fc = Linear("a", 3)'),
        [Told("shape-mismatch", 3, 10, "'a' is no size", "numbers")],
    ),
    "tensor is called": (
        function("return x(3)"),
        [Told("not-callable", 3, 12, "is no function", "x[i]")],
    ),
    "model for a tensor": (
        model("fc = Linear(n, n)", call="return fc(fc)"),
        [Told("argument", 5, 16, "Linear")],
    ),
    "function that calls itself": (
        function("return f(x)"),
        [Told("recursion", 3, 12, "32 calls inside of each other", "end them by a known number")],
    ),
    "functions that call each other": (
        "def g(x: f32[2]):\n    return f(x)\ndef f(x: f32[2]):\n    return g(x)\nexport f = f\n",
        [Told("recursion", 2, 12, "f calls itself"), Told("recursion", 4, 12, "g calls itself")],
    ),
    "function that calls itself in loops": (
        function("for i in range(2):", "    x = f(x)", "    x = f(x)", "return x"),
        [Told("recursion", 4, 13, "f calls itself", "for i in range(n)")],
    ),
    "function that calls itself once too often": (
        "def g(x, n: int):\n    return x if n == 0 else g(2 * x, n - 1)\n"
        "def f(x: f32[2]):\n    return g(x, 32)\nexport f = f\n",
        [Told("recursion", 2, 29, "g calls itself", "if n == 0")],
    ),
    "model that contains itself": (
        model("inner = M()"),
        [Told("recursion", 3, 13, "M contains itself", "list of parts")],
    ),
    "layer made in a function": (
        function("return Linear(3, 4)(x)"),
        [Told("model-in-function", 3, 12, "new at each call", "part = Linear(...)")],
    ),
    "model that was not made": (
        "model M(n=3):\n    fc = Linear(n, n)\n    def forward(x: f32[3]):\n        return fc(x)\n"
        "def f(x: f32[3]):\n    return M.forward(x)\nexport f = f\n",
        [Told("model-class", 6, 12, "not made yet", "net: M")],
    ),
    "argument is another model": (
        "model A(n=1):\n    param w: f32[2]\n    def forward(x: f32[2]):\n        return x * w\n"
        "model C(n=1):\n    a = A()\n    def forward(x: f32[2]):\n        return g(a, x)\n"
        "def g(net: C, x: f32[2]):\n    return x * net.a.w\nexport f = C.forward\n",
        [Told("annotation", 8, 18, "is the model A, expected the model C")],
    ),
    # -- what is known while the program is built
    "branch on a tensor": (
        function("for i in range(3):", "    if sum(x) > i:", "        return x", "return -x"),
        [Told("not-supported", 4, 12, "return in one block", "both blocks")],
    ),
    "choice by a tensor": (
        function("return x if x > 0 else -x"),
        [Told("not-supported", 3, 17, "run time only", "where")],
    ),
    "and of tensors": (
        function("return x > 0 and x < 1"),
        [Told("not-supported", 3, 12, "run time only", "& |")],
    ),
    "branch on a dim": (
        function("if B > 3:", "    return x", "x = -x"),
        [Told("not-supported", 3, 8, "a return in one block", "return from both")],
    ),
    "comparison of a dim with a text": (
        function('return x if B > "a" else -x'),
        [Told("operand", 3, 17, "have no order")],
    ),
    "carry that changes its dtype": (
        function("for i in range(B):", "    x = f16(x)", "return x"),
        [Told("carry-type", 4, 9, "begins with 'x' as f32[B, 3]", "keeps its dtype")],
    ),
    "carry that begins as a number": (
        function("n = 0", "for row in x:", "    n = n + row", "return n"),
        [Told("carry-type", 5, 9, "begins with 'n' as f32[], and makes it f32[3]")],
    ),
    "carry of integers beside floats": (
        function("n = i32(0)", "for row in x:", "    n = n + sum(row)", "return n"),
        [Told("dtype-promotion", 5, 13, "i32 and f32", "cast")],
    ),
    "carry that begins as a number without axes": (
        function("n = 0.0", "for row in x:", "    n = n + row", "return n"),
        [Told("carry-type", 5, 9, "begins with 'n' as f32[]", "keeps its dtype and shape")],
    ),
    "number that becomes a tensor before it meets its dtype": (
        function(
            *("s = 0.0", "for v in x:", "    if v > 0:", "        s = sum(s.reshape(())) + v"),
            "return s",
            parameters="x: f64[B]",
        ),
        [Told("branch-type", 5, 12, "'s' is f64[]", "begin with s = cast(0.0, f64)")],
    ),
    "carry that grows": (
        function("found = []", "for i in range(B):", "    found = found + [x]", "return x"),
        [Told("carry-type", 5, 9, "begins with 'found' as a list of 0", "found[t] = row")],
    ),
    "return in a loop that stays": (
        function("for i in range(B):", "    return x", "return x"),
        [Told("not-supported", 4, 16, "return inside a loop", "after the loop")],
    ),
    "condition of several numbers": (
        function("while x > 0, at most 3:", "    x = x - 1", "return x"),
        [Told("condition", 3, 11, "bool[B, 3], expected bool[]", "all(...)")],
    ),
    "condition that is known": (
        function("while True, at most 3:", "    x = x - 1", "return x"),
        [Told("condition", 3, 11, "the truth value True", "range(n)")],
    ),
    "bound that is no size": (
        function("while sum(x) > 0, at most -1:", "    x = x - 1", "return x"),
        [Told("loop-bound", 3, 31, "the number -1", "at most 100")],
    ),
    "blocks of different types": (
        function("if sum(x) > 0:", "    y = x", "else:", "    y = f16(x)", "return y"),
        [Told("branch-type", 3, 8, "'y' is f32[B, 3]", "same dtype")],
    ),
    "blocks with a number and a text": (
        function("if sum(x) > 0:", "    y = 1", "else:", "    y = 'two'", "return x * y"),
        [Told("branch-type", 3, 8, "the text 'two'", "a number or a tensor")],
    ),
    "member of a number that is chosen": (
        function("k = 2 if sum(x) > 0 else 3", "return x * k.float()"),
        [Told("unknown-name", 4, 16, "the number (2 or 3)", "f32(x)")],
    ),
    "blocks of different forms": (
        function("if sum(x) > 0:", "    y = (x, x)", "else:", "    y = x", "return x"),
        [Told("branch-type", 3, 8, "'y' is a tuple of 2", "")],
    ),
    "row in a block inside the loop": (
        function(
            "for i in range(B):",
            "    if sum(x) > 0:",
            "        y[i] = x",
            "return x",
        ),
        [Told("not-supported", 5, 13, "a row of 'y'", "after the block")],
    ),
    "decorator": (
        "@jit\ndef f(x: f32[2]):\n    return x\nexport f = f\n",
        [Told("decorator", 1, 2, "no meaning", "@gradient(f)")],
    ),
    "import": (
        "import layers\n",
        [Told("import", 1, 1, "nothing to import from")],
    ),
    "state as an argument": (
        "def f(x: f32[2], state w: f32[2]):\n    return x\nexport f = f\n",
        [Told("not-supported", 1, 18, "takes state", "net: MLP")],
    ),
    "const that is a tensor": (
        "const W = ones((2,))\n",
        [Told("not-static", 1, 11, "a const", "in functions")],
    ),
    "division by zero": ("const A = 1 // 0\n", [Told("arithmetic", 1, 11, "no value")]),
    "number beyond 64 bits": (
        "const A = 2 ** 2 ** 40\n",
        [Told("arithmetic", 1, 11, "64 bits", "float")],
    ),
    "root of a negative number": ("const A = sqrt(-1)\n", [Told("arithmetic", 1, 11, "sqrt(-1)")]),
    "text as an operand": (
        'const A = "a" * 3\n',
        [Told("operand", 1, 11, "the text 'a' is no operand of '*'")],
    ),
    "unpacking": (
        function("a, b = x", "return a"),
        [Told("unpack", 3, 5, "assigned to 2 names", "x[0]")],
    ),
    "too many steps": (
        "def f(x: f32[2]):\n    for i in range(90000):\n        for j in range(90000):\n"
        "            pass\n    return x\nexport f = f\n",
        [Told("too-large", 3, 9, "unrolls", "unrolled")],
    ),
    "a value of too many parts": (
        "def f(x: f32[2]):\n    t = (x, x)\n    for i in range(30):\n        t = (t, t)\n"
        "    return t\nexport f = f\n",
        [Told("too-large", 4, 13, "parts", "stack")],
    ),
    "number of a dim beyond 64 bits": (
        "dim B: 1..99999999999999999999\n",
        [Told("syntax", 1, 11, "more than 64 bits")],
    ),
    "range of a dim beyond 64 bits": (
        "dim B: 1..2**63\n",
        [Told("dim-range", 1, 1, "64 bits")],
    ),
    "range of a dim beyond the index": (
        "dim B: 1..18446744073709551615\n",
        [Told("dim-range", 1, 1, "64 bits")],
    ),
    "tensor beyond the index": (
        "dim A: 4..8\ndim B: 2**62..2**63 - 1\ndef f(x: f32[B, A]):\n    return x\nexport f = f\n",
        [Told("tensor-size", 2, 1, "f32[B, A] has at least", "the range of B begin earlier")],
    ),
    "product of matrices that are numbers": (
        "const A = 2 @ 3\n",
        [Told("operand", 1, 11, "no operands of '@'", "'*'")],
    ),
    "parameter that Python cannot name": (
        "def f(with: f32[2]):\n    return with\nmodel M(class=3):\n    pass\n",
        [
            Told("syntax", 1, 7, "'with' cannot name a parameter", "with_"),
            Told("syntax", 3, 9, "'class' cannot name a parameter", "class_"),
        ],
    ),
    "wildcard in a function that nothing calls": (
        "def f(x: f32[_, 3]):\n    return x + ones((2, 2))\n",
        [Told("shape-mismatch", 2, 12, "")],
    ),
    # -- exports and state
    "export of a number": (
        "export a = 3\n",
        [Told("export", 1, 12, "the number 3 cannot be exported", "MLP.forward")],
    ),
    "export without a type": (
        "def f(x):\n    return x\nexport f = f\n",
        [Told("annotation", 1, 7, "'x' needs a type", "x: f32[B, 64]")],
    ),
    "export of a model without defaults": (
        "model M(n):\n    param w: f32[n]\n    def forward(x: f32[3]):\n        return x * w\n"
        "export f = M.forward\n",
        [Told("model-arguments", 5, 12, "'n' has none", "M(n=64)")],
    ),
    "export of an unknown method": (
        "model M(n=1):\n    def forward(x: f32[3]):\n        return x\nexport f = M.forwad\n",
        [Told("unknown-name", 4, 12, "'forwad'", "did you mean 'forward'")],
    ),
    "training of a loss with axes": (
        "model M(n=1):\n    param w: f32[3]\n    def forward(x: f32[3]):\n        return x * w\n"
        "def loss(net: M, x: f32[3]):\n    return net(x)\n"
        "export train = train_step(M, loss, sgd(lr=0.1))\n",
        [Told("loss-result", 7, 16, "f32[3]", "mean or sum")],
    ),
    "learning rate below zero": (
        "model M(n=1):\n    param w: f32[3]\n    def forward(x: f32[3]):\n        return x * w\n"
        "def loss(net: M, x: f32[3]):\n    return sum(net(x))\n"
        "export train = train_step(M, loss, sgd(lr=-0.1))\n",
        [Told("optimizer-argument", 7, 36, "lr is -0.1")],
    ),
    **{
        f"first value of {what}": (
            model(f"param w: f32[n] = {text}", call="return x * w"),
            [Told("initializer", 3, 23, what, "zeros()")],
        )
        for what, text in (
            ("the function zeros", "zeros"),
            ("the function normal", "normal if n > 2 else ones"),
            ("the function relu", "relu"),
            ("the function adamw", "adamw"),
        )
    },
    "first value of another dtype": (
        model("param w: f32[n] = arange(n)", call="return x * w"),
        [Told("dtype-mismatch", 3, 23, "w is f32[3], and its first value i64[3]", "cast")],
    ),
    "first value of another shape": (
        model("param w: f32[n] = eye(2)", call="return x * w"),
        [Told("shape-mismatch", 3, 23, "f32[2, 2] does not broadcast")],
    ),
    "first value of state": (
        model("param v: f32[n]", "param w: f32[n] = v + 1", call="return x * w"),
        [Told("initializer", 4, 23, "the first value of w is not", "no value yet")],
    ),
    "first value drawn without a seed": (
        model("param w: f32[n] = 2 * randn(n)", call="return x * w"),
        [Told("initializer", 3, 27, "the first value of w is not", "normal()")],
    ),
    "self in a method": (
        HEAD + "model M(n=3):\n    def forward(self, x: f32[n]):\n        return x\n",
        [Told("reserved-name", 3, 17, "takes 'self'", "leave it away")],
    ),
    "tensor as a part": (
        model("w = arange(3)", call="return x * w"),
        [Told("state-assignment", 3, 5, "w is tensor i64[3]", "state w: i64[3] = ...")],
    ),
    "missing comma": (
        function("return concat([x x], axis=0)"),
        [Told("syntax", 3, 22, "expected ','", "comma may be missing")],
    ),
    "layer as an argument of an export": (
        "def f(layer: Linear, x: f32[3]):\n    return layer(x)\nexport f = f\n",
        [Told("annotation", 1, 7, "nothing makes its parameter 'layer'", "layer = Linear(...)")],
    ),
    # -- control flow on tensors
    "branch on many bools": (
        function("if x > 0:", "    y = x", "else:", "    y = -x", "return y"),
        [Told("condition", 3, 8, "the condition of a branch is bool[B, 3]", "where(condition")],
    ),
    "branch on a number": (
        function("if sum(x):", "    y = x", "else:", "    y = -x", "return y"),
        [Told("condition", 3, 8, "the condition of a branch is f32[]", "x != 0")],
    ),
    "range of a tensor": (
        function(
            "for i in range(n):", "    x = x + 1", "return x", parameters="x: f32[B], n: i32[]"
        ),
        [Told("not-supported", 3, 14, "a range with tensor i32[]", "while i < n, at most 100")],
    ),
    # -- indices
    "slice from a tensor": (
        function("return x[:, n:n + 2]", parameters="x: f32[B, 3], n: i32[]"),
        [Told("slice", 3, 12, "a bound of a slice is tensor i32[]", "dynamic_slice")],
    ),
    "index beyond an axis behind dots": (
        function("return x[..., None, -4]"),
        [Told("index", 3, 25, "index -4 is outside axis 1", "3 elements")],
    ),
    "index of a dim that may be less": (
        function("return x[1]"),
        [Told("index", 3, 14, "index 1 is not proved to be inside axis 0", "B elements")],
    ),
    "more indices than axes": (
        function("return x[0, 0, 0]"),
        [Told("index", 3, 12, "3 indices for f32[B, 3]", "it has 2 axes")],
    ),
    # -- what PyTorch does in place
    "method in place": (
        function("return x.relu_()"),
        [Told("unknown-name", 3, 12, "'relu_'", "x = x.relu(...)")],
    ),
    "backward": (
        function("x.sum().backward()", "return x"),
        [Told("syntax", 3, 5, "not used", "grad(f)")],
    ),
    "move to a device": (
        function('return x.to("cuda:0")'),
        [Told("usage", 3, 12, "moved to 'cuda:0'", "where the module is loaded")],
    ),
    "mistyped dtype of NumPy": (
        function("return zeros(3, dtype=flaot32)"),
        [Told("unknown-name", 3, 27, "'flaot32'", "'f32'")],
    ),
    "capital letter": (function("return Relu(x)"), [Told("unknown-name", 3, 12, "Relu", "'relu'")]),
    "text with a letter": (
        function('y = f"{x}"', "return x"),
        [Told("syntax", 3, 10, "found a string", "without a letter")],
    ),
    "self": (
        function("return self.fc(x)"),
        [Told("unknown-name", 3, 12, "self", "by their names")],
    ),
    "prefix": (
        function("return torch.exp(x)"),
        [Told("unknown-name", 3, 12, "torch", "no prefix")],
    ),
    "printing": (
        function("print(x)", "return x"),
        [Told("syntax", 3, 5, "not used", "nothing is printed")],
    ),
    "appending": (
        function("y = []", "y.append(x)", "return x"),
        [Told("syntax", 4, 5, "not used", "items = items + [x]")],
    ),
    "constructor": (
        HEAD + "model M:\n    super().__init__()\n",
        [Told("syntax", 3, 5, "not used", "no constructor")],
    ),
    "writing an element": (
        function("x[0] = 1", "return x"),
        [Told("syntax", 3, 7, "index notation", "x.at[0].set(y)")],
    ),
    "adding to an element": (
        function("x[:, 0] += 1", "return x"),
        [Told("syntax", 3, 5, "single name", "x.at[i].add(y)")],
    ),
    "counting up": (function("x++", "return x"), [Told("syntax", 3, 8, "end of the line", "+= 1")]),
    "break": (
        function("for i in range(3):", "    break", "return x"),
        [Told("syntax", 4, 9, "not used", "while condition, at most")],
    ),
    "else if": (
        function("if B > 99:", "    y = x", "else if B > 2:", "    y = x", "return x"),
        [Told("syntax", 5, 10, "'if'", "`elif`")],
    ),
    "starred arguments": (
        function("return concat([*x], axis=0)"),
        [Told("syntax", 3, 20, "'*'", "no starred values")],
    ),
    "membership": (
        function("return x if 3 in [1, 2] else -x"),
        [Told("syntax", 3, 19, "'in'", "no test of membership")],
    ),
    "tensor type of PyTorch": (
        HEAD + "def f(x: Tensor):\n    return x\n\nexport f = f\n",
        [Told("unknown-name", 2, 10, "Tensor", "f32[B, 64]")],
    ),
    "dtype of NumPy": (
        function("return cast(x, float16)"),
        [Told("unknown-name", 3, 20, "float16", "'f16'")],
    ),
    "dim as a constant": (
        "dim N = 8\n",
        [Told("syntax", 1, 7, "'='", "const B = 8")],
    ),
    "dim that is not declared": (
        function("return x", parameters="x: f32[K]"),
        [Told("unknown-name", 2, 14, "'K'", "dim K: 1..4096")],
    ),
    "half a dim": (
        function("return reshape(x, B / 2, 6)"),
        [Told("size", 3, 12, "(B / 2) is no size", "'//'")],
    ),
    "export that gives nothing": (
        function("y = x + 1"),
        [Told("result", 4, 1, "returns nothing", "`return value`")],
    ),
    "larger of two by max": (
        function("return max(x, x)"),
        [Told("argument", 3, 12, "max: axis is tensor", "maximum(x, y)")],
    ),
    "cast by the name of Python": (
        function("return float(x)"),
        [Told("argument", 3, 12, "float takes numbers", "f32(x)")],
    ),
    "value chosen by a tensor": (
        function("return [x for i in range(2) if sum(x) > i][0]"),
        [Told("not-supported", 3, 36, "bool[]", "if condition:")],
    ),
    "state that is hidden": (
        HEAD + "model M:\n    state s: f32[3]\n\n    def forward(x: f32[3]):\n        s = x\n"
        "        return s\n\nexport f = M.forward\n",
        [Told("update", 6, 9, "'s' is state", "update s = ...")],
    ),
    "first value of nothing": (
        model('param w: f32[3] = "zeros"', call="return x * w"),
        [Told("initializer", 3, 23, "the text 'zeros'", "zeros()")],
    ),
    "initialiser for another shape": (
        model("param w: f32[3] = kaiming_uniform()", call="return x * w"),
        [Told("shape-mismatch", 3, 5, "two axes", "uniform")],
    ),
    "update of no state": (
        function("update x = x", "return x"),
        [Told("update", 3, 12, "is no state", "declares")],
    ),
    "update of another shape": (
        model("state s: f32[3]", call="update s = x"),
        [Told("shape-mismatch", 5, 20, "the state is f32[3], its new value f32[B, 3]")],
    ),
    # -- several at once
    "one error in each function": (
        HEAD + "def f(x: f32[B]):\n    return x + missing\n"
        "def g(x: f32[B]):\n    return softmax(x, axis=4)\n"
        "model M(n=2):\n    def forward(x: f32[B]):\n        return x @ x @ x\n"
        "    def other(x: f32[B]):\n        return nothing(x)\n"
        "export f = f\nexport m = M.forward\n",
        [
            Told("unknown-name", 3, 16, "'missing'"),
            Told("axis", 5, 12, "no axis 4"),
            Told("shape-mismatch", 8, 16, "matmul"),
            Told("unknown-name", 10, 16, "'nothing'"),
        ],
    ),
    "errors of definitions come alone": (
        "dim B: 3..1\nconst A = 1 / 0\nexport f = g\n",
        [Told("dim-range", 1, 1, "3..1"), Told("arithmetic", 2, 11, "no value")],
    ),
    "functions that nothing calls are checked": (
        "def f(x: f32[2]):\n    return x\ndef unused(x: f32[N], y: f32[N, 2]):\n"
        "    return x + y\nexport f = f\n",
        [Told("shape-mismatch", 4, 12, "[N, 2]")],
    ),
    "function of the library as an export": (
        "export f = adam\n",
        [Told("export", 1, 12, "the function adam cannot be exported")],
    ),
    "function as an optimizer": (
        "model M():\n    fc = Linear(2, 2)\n"
        "def loss(net: M, x: f32[2]):\n    return sum(net.fc(x))\n"
        "export train = train_step(M, loss, loss)\n",
        [Told("optimizer-argument", 5, 36, "the function loss", "sgd(lr=0.1)")],
    ),
    "optimizer that is not called": (
        "model M():\n    fc = Linear(2, 2)\n"
        "def loss(net: M, x: f32[2]):\n    return sum(net.fc(x))\n"
        "export train = train_step(M, optimizer=adamw, loss=loss)\n",
        [Told("optimizer-argument", 5, 40, "is <function adamw>", "call it: adamw(lr=1e-3)")],
    ),
    "conditions on tensors without end": (
        function(
            "if x[0, 0] > 0:",
            "    x = x + 1",
            *(line for n in range(40) for line in (f"elif x[0, 0] > {n}:", "    x = x - 1")),
            "return x",
        ),
        [Told("too-deep", 3, 8, "more than 32 conditions on tensors", "where(...)")],
    ),
    "layer as a loss": (
        "model M():\n    fc = Linear(2, 2)\nexport train = train_step(M, LayerNorm, sgd(lr=0.1))\n",
        [Told("loss-arguments", 3, 30, "the class LayerNorm", "loss(model, x, y)")],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_bad_program_is_explained(name: str):
    text, expected = PROGRAMS[name]
    with pytest.raises(GraphcError) as caught:
        elaborate(text, f"{name}.gc", library())
    error = caught.value
    errors = error.errors if isinstance(error, ErrorGroup) else (error,)
    assert [one.code for one in errors] == [told.code for told in expected], error.render()
    for one, told in zip(errors, expected, strict=True):
        assert one.span is not None
        assert (one.span.line, one.span.column) == (told.line, told.column), one.render()
        assert told.message in one.message
        assert told.hint in (one.hint or "")


def test_an_error_is_rendered_with_its_line_and_a_caret():
    text = (
        HEAD + "def f(x: f32[B, 64], w: f32[32, 10]):\n    y = x\n    return y @ w\nexport f = f\n"
    )
    with pytest.raises(GraphcError) as caught:
        elaborate(text, "rendered.gc", library())
    lines = caught.value.render().splitlines()
    assert lines[0].startswith("error[shape-mismatch]: matmul")
    assert lines[1:5] == [
        " --> rendered.gc:4:12",
        "  |",
        "4 |     return y @ w",
        "  |            ^^^^^",
    ]


def test_an_error_inside_a_call_says_where_the_call_is():
    text = "def g(x):\n    return x @ x\ndef f(x: f32[2, 3]):\n    return g(x)\nexport f = f\n"
    with pytest.raises(GraphcError) as caught:
        elaborate(text, "inside.gc", library())
    assert str(caught.value.span) == "inside.gc:2:12"
    assert "in g, called at inside.gc:4:12" in caught.value.notes


def test_errors_are_in_source_order_and_bounded():
    text = "".join(f"def f{i}(x: f32[2]):\n    return x + y{i}\n" for i in range(40))
    with pytest.raises(ErrorGroup) as caught:
        elaborate(text, "many.gc", library())
    lines = [error.span.line for error in caught.value.errors if error.span]
    assert lines == [2 * i + 2 for i in range(20)]
