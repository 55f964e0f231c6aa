"""The command line: what it prints and writes; every failure is an error and no traceback."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc import cli
from graphc.cli.arguments import number_of_bytes
from graphc.cli.text import quantity, table
from graphc.config import Settings
from graphc.errors import ErrorGroup, GraphcError, UsageError
from graphc.frontend import syntax
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.frontend.parsing.literals import string_literal
from graphc.frontend.parsing.parser import parse
from graphc.runtime.atomic_write import write_atomically

SOURCE = '''"""Two exports."""

dim B: 1..8

model Net():
    fc = Linear(4, 2)

    def forward(x: f32[B, 4]) -> f32[B, 2]:
        """A layer."""
        return relu(fc(x))

def loss(net: Net, x: f32[B, 4], y: i32[B]) -> f32[]:
    return cross_entropy(net(x), y)

export predict = Net.forward
export train = train_step(Net, loss, sgd(lr=0.1))
'''
WRONG = SOURCE.replace("fc(x)", "fc(x, x)").replace("Linear(4, 2)", "Linear(5, 2)")

MAIN = "import sys; from graphc.cli import main; sys.exit(main())"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder with `net.gc`, `wrong.gc` and `x.npy`; code, output, errors."""
    monkeypatch.chdir(tmp_path)
    Path("net.gc").write_text(SOURCE)
    Path("wrong.gc").write_text(WRONG)
    Path("bytes.gc").write_bytes("# \u00fcber uns\ndim B: ".encode() + b"\xff")
    Path("plain.gc").write_text("dim B: 1..8\n")
    Path("text.npy").write_text("no array")
    with open("vast.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 4)}
        np.lib.format.write_array_header_1_0(file, header)
    os.mkfifo("pipe.npy")
    for name in ("folder", "folder.gcm", "folder.npy"):
        Path(name).mkdir()
    Path("readonly.gcm").touch(0o444)
    Path("damaged.gcm").write_bytes(b"PK\x03\x04")
    np.save("x.npy", np.ones((2, 4), np.float32))
    np.save("y.npy", np.zeros(2, np.int32))
    np.save("wide.npy", np.ones((2, 4)))

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as exit_:
            code = int(str(exit_.code))
        output = capsys.readouterr()
        return code, output.out, output.err

    return command


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `graphc build net.gc` makes, once for all tests."""
    folder = tmp_path_factory.mktemp("net")
    with contextlib.chdir(folder):
        Path("net.gc").write_text(SOURCE)
        assert cli.main(["build", "net.gc", "--quiet"]) == 0
    return folder / "net.gcm"


@pytest.fixture
def built(run: Run, net: Path) -> Run:
    """Runs a command where `net.gcm` is as well."""
    shutil.copy(net, "net.gcm")
    return run


def shell(arguments: Sequence[str], redirection: str = "") -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with its streams as a shell redirects them."""
    command = shlex.join([sys.executable, "-m", "graphc", *arguments])
    return subprocess.run(
        f"{command} {redirection}", shell=True, capture_output=True, text=True, check=False
    )


# -- names of files ------------------------------------------------------------------------------

NAMES = [b"a\nint q;", b"a\\", b'a"b', b"b\xff", b"a b", "\u202e\u2028".encode(), b"a??/", b"*/"]


@pytest.mark.parametrize("name", NAMES)
def test_a_source_may_have_any_name(name: bytes, run: Run) -> None:
    source = os.fsdecode(name + b".gc")
    if b"/" in name:
        Path(source).parent.mkdir()
    Path(source).write_text(SOURCE)
    assert run("build", source, "-o", "a.gcm", "-t", "sm_80", "--quiet") == (0, "", "")
    checked = shell(["check", source])
    shown = [run("show", source, "--stage", "passes"), run("info", "a.gcm")]
    for code, output, errors in [(checked.returncode, checked.stdout, checked.stderr), *shown]:
        assert (code, errors) == (0, "")
        assert output
    outputs = [run("run", "a.gcm", "predict", "x=x.npy", "--device", d) for d in ("sim", "cpu")]
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == 0


# -- what works -----------------------------------------------------------------------------------


def test_build_reports_what_it_made(run: Run) -> None:
    code, output, _ = run("build", "net.gc", "-o", "other.gcm", "--seed", "3")
    assert code == 0
    assert output.splitlines()[0].split() == [
        "export", "target", "steps", "kernels", "variants", "arena", "scratch/thread", "peak",
    ]  # fmt: skip
    assert [line.split()[0] for line in output.splitlines()[1:3]] == ["predict", "train"]
    assert "other.gcm: " in output
    assert Path("other.gcm").exists() and not Path("net.gcm").exists()


def test_run_prints_what_the_module_returns(built: Run) -> None:
    expected = graphc.load("net.gcm").predict(np.ones((2, 4), np.float32))
    assert built("run", "net.gcm", "predict", "x=x.npy")[1].strip() == np.array2string(expected)
    assert built("run", "net.gcm", "predict", "x=x.npy", "-o", "out.npy") == (0, "", "")
    assert np.array_equal(np.load("out.npy"), expected)


def test_run_saves_the_trained_module(built: Run) -> None:
    before = Path("net.gcm").read_bytes()
    command = ["run", "net.gcm", "train", "x=x.npy", "y=y.npy", "--save", "next.gcm"]
    first = built(*command)[1]
    assert Path("net.gcm").read_bytes() == before
    command[1] = "next.gcm"
    assert float(built(*command)[1]) < float(first)


def test_info_says_what_a_module_contains(built: Run) -> None:
    code, output, _ = built("info", "net.gcm", "--weights")
    assert code == 0
    for text in ("Two exports.", "predict(x: f32[B, 4]) -> f32[B, 2]", "B: 1..8", "fc.weight"):
        assert text in output


def test_info_says_all_of_the_range_of_a_dim(run: Run) -> None:
    Path("net.gc").write_text(SOURCE.replace("1..8", "0..32 multiple of 4"))
    assert run("build", "net.gc")[0] == 0
    assert "    B: 0..32, a multiple of 4\n" in run("info", "net.gcm")[1]


def test_the_variants_of_a_build_are_listed(run: Run) -> None:
    Path("net.gc").write_text(SOURCE.replace("1..8", "1..4096"))
    line = "variants of predict on cpu: B: 1..4 | 5..4096\n"
    assert line in run("build", "net.gc")[1]
    assert line in run("info", "net.gcm")[1]


def test_check_prints_signatures_and_every_files_errors(run: Run) -> None:
    code, output, errors = run("check", "net.gc", "wrong.gc", "none.gc")
    assert code == 1
    assert "net.gc: predict(x: f32[B, 4]) -> f32[B, 2]" in output
    assert "--> wrong.gc:10:" in errors and "there is no file none.gc" in errors
    assert run("check", "net.gc")[0] == 0


@pytest.mark.parametrize("stage", ["graph", "passes", "decompose", "kernels", "program"])
@pytest.mark.parametrize("source", ["net.gc", "net.gcm"])
def test_every_stage_is_shown(built: Run, source: str, stage: str) -> None:
    code, output, _ = built("show", source, "--stage", stage, "--export", "predict")
    assert code == 0
    assert "predict" in output
    assert "train" not in output


@pytest.mark.parametrize("source", ["net.gc", "net.gcm"])
def test_docstrings_are_shown_in_programs_that_can_be_read(built: Run, source: str) -> None:
    output = built("show", source, "--export", "predict")[1]
    module = parse(output, source)
    functions = [node for node in module.body if isinstance(node, syntax.Function)]
    assert syntax.docstring(functions[0]) == "A layer."
    assert '"""Two exports."""' in output
    assert read_graph(output, source) is read_graph(graph_text(read_graph(output, source)), source)


def test_the_lines_of_a_docstring_are_indented(run: Run) -> None:
    text = 'A "layer" of """\n\n          * many\\\n\tlines.'
    Path("net.gc").write_text(SOURCE.replace('"""A layer."""', string_literal(text, '"""')))
    output = run("show", "net.gc", "--export", "predict")[1]
    (function,) = [one for one in parse(output).body if isinstance(one, syntax.Function)]
    assert cleandoc(syntax.docstring(function) or "") == cleandoc(text)
    assert "\n      * many" in output


def test_ptx_is_shown(built: Run) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    output = built("show", "net.gc", "--stage", "ptx", "--export", "predict")[1]
    assert ".target sm_80" in output
    assert ".visible .entry matmul" in output


def test_what_a_pass_made_is_a_program(built: Run) -> None:
    output = built("show", "net.gc", "--stage", "decompose", "--export", "predict")[1]
    graph = read_graph(output, "decomposed.gc")
    assert graph_text(graph) in output
    assert "matmul" in {node.op.name for node in graph.nodes()}


def test_fmt_formats_and_checks(run: Run) -> None:
    Path("ugly.gc").write_text("dim   B : 1..8\n")
    assert run("fmt", "--check", "ugly.gc") == (1, "would format ugly.gc\n", "")
    assert Path("ugly.gc").read_text() == "dim   B : 1..8\n"
    assert run("fmt", "ugly.gc")[:2] == (0, "formatted ugly.gc\n")
    assert Path("ugly.gc").read_text() == "dim B: 1..8\n"
    assert run("fmt", "--check", "ugly.gc") == (0, "", "")


def test_doctor_lists_the_machine(run: Run) -> None:
    code, output, _ = run("doctor")
    assert code == 0
    for thing in ("cache directory", "C compiler", "NVRTC", "CUDA driver", "numpy"):
        assert thing in output


def test_doctor_says_what_to_do() -> None:
    environment = {**os.environ, "GRAPHC_CC": "/nowhere/cc", "GRAPHC_CACHE_DIR": "/dev/null/x"}
    result = subprocess.run(
        [sys.executable, "-c", MAIN, "doctor"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "[missing] C compiler" in result.stdout and "/nowhere/cc" in result.stdout
    assert "[missing] cache directory" in result.stdout and "GRAPHC_CACHE_DIR" in result.stdout


# -- what fails -----------------------------------------------------------------------------------

# Exit code, command line, the error's code, and a part of its text. argparse's own refusals have
# no code.
FAILURES: tuple[tuple[int, str, str, str], ...] = (
    # -- 2: the command line cannot be understood
    (2, "", "", "COMMAND"),
    (2, "nothing", "", "invalid choice"),
    (2, "build", "", "SOURCE"),
    (2, "build net.gc -o net.so", "output-name", "a module file ends in .gcm"),
    (2, "build net.gc --seed -1", "seed", "the seed is '-1'"),
    (2, "build net.gc --seed x", "seed", "the seed is 'x'"),
    (2, "build net.gc --seed 99999999999999999999", "seed", "2**64 - 1"),
    (2, "build net.gc --target gpu", "unknown-target", "there is no target 'gpu'"),
    (2, "build net.gc --target cpu,", "unknown-target", "there is no target ''"),
    (2, "build net.gc --target sm_20", "unknown-target", "no architecture 'sm_20'"),
    (2, "build none.gc --target gpu", "unknown-target", "there is no target 'gpu'"),
    (2, "build net.gc --max-memory much", "usage", "not a number of bytes"),
    (2, "check", "", "SOURCE"),
    (2, "fmt", "", "SOURCE"),
    (2, "fmt --chek net.gc", "", "unrecognized arguments"),
    (2, "info", "", "MODULE"),
    (2, "run net.gcm", "", "EXPORT"),
    (2, "run net.gcm predict x", "usage", "'x' is no argument"),
    (2, "run net.gcm predict x=", "usage", "'x=' is no argument"),
    (2, "run net.gcm predict x=one", "usage", "neither a number nor a .npy file"),
    (2, "run net.gcm predict x=x.npy x=x.npy", "argument-count", "'x' is given twice"),
    (2, "run net.gcm predict x=x.npy --device tpu", "unknown-device", "no device 'tpu'"),
    (2, "run net.gcm predict x=x.npy -o out.txt", "output-name", "out.txt"),
    (2, "run net.gcm predict x=x.npy --save net.txt", "output-name", "ends in .gcm"),
    (2, "show net.gc --stage x", "", "invalid choice"),
    (2, "show net.gc --target x", "", "invalid choice"),
    (2, "doctor now", "", "unrecognized arguments"),
    # -- 1: files and what is in them
    (1, "build none.gc", "file-missing", "there is no file none.gc"),
    (1, "build nett.gc", "file-missing", "did you mean net.gc?"),
    (1, "build none/net.gc -o net.gcm", "file-missing", "no folder none"),
    (1, "build .", "file-unreadable", "is a directory"),
    (1, "build folder -o new.gcm", "file-unreadable", "is a directory, expected a .gc file"),
    (1, "build net.gcm -o new.gcm", "file-unreadable", "`graphc info net.gcm`"),
    (1, "build net.gc -o none/net.gcm", "output-unwritable", "none is no directory"),
    (1, "build net.gc -o folder.gcm", "output-unwritable", "folder.gcm is a directory"),
    (1, "build net.gc -o readonly.gcm", "output-unwritable", "read-only"),
    (1, "build net.gc --max-memory 10B", "memory-limit", "--max-memory allows 10"),
    (1, "build wrong.gc", "argument-count", "--> wrong.gc:10:"),
    (1, "build bytes.gc", "encoding", "bytes.gc:2:8"),
    (1, "build bytes.gc", "encoding", "byte 19 is 0xff"),
    (1, "build plain.gc", "no-exports", "exports nothing"),
    (1, "check none.gc", "file-missing", "there is no file none.gc"),
    (1, "check folder", "file-unreadable", "is a directory"),
    (1, "check bytes.gc", "encoding", "not UTF-8"),
    (1, "check net.gcm", "file-unreadable", "is a module"),
    (1, "run none.gcm predict", "file-missing", "there is no file none.gcm"),
    (1, "run folder predict", "file-unreadable", "is a directory"),
    (1, "run damaged.gcm predict", "module-damaged", "not a whole graphc module"),
    (1, "run net.gc predict", "file-unreadable", "`graphc build net.gc`"),
    (1, "run net.gcm forward", "unknown-export", "no export 'forward'"),
    (1, "run net.gcm predict", "argument-count", "predict needs 'x' as well"),
    (1, "run net.gcm predict", "argument-count", "predict(x: f32[B, 4])"),
    (1, "run net.gcm predict x=none.npy", "file-missing", "there is no file none.npy"),
    (1, "run net.gcm predict x=xx.npy", "file-missing", "did you mean x.npy?"),
    (1, "run net.gcm predict x=text.npy", "file-unreadable", "numpy.save"),
    (1, "run net.gcm predict x=vast.npy", "file-unreadable", "numpy.save"),
    (1, "run net.gcm predict x=folder.npy", "file-unreadable", "expected a .npy file"),
    (1, "run net.gcm predict x=pipe.npy", "file-unreadable", "is not an ordinary file"),
    (1, "run pipe.npy predict", "file-unreadable", "is not an ordinary file"),
    (1, "run net.gcm predict y=x.npy", "argument-unknown", "no argument 'y'"),
    (1, "run net.gcm predict x=wide.npy", "dtype-mismatch", "'x' is f64, expected f32"),
    (1, "run net.gcm predict x=1", "shape-mismatch", "has shape (), expected f32[B, 4]"),
    (1, "run net.gcm predict x=x.npy --device cuda", "target-missing", "without CUDA kernels"),
    (1, "run net.gcm predict x=x.npy -o none/out.npy", "output-unwritable", "no directory"),
    (1, "run net.gcm predict x=x.npy -o folder.npy", "output-unwritable", "is a directory"),
    (1, "run net.gcm predict x=x.npy --save folder.gcm", "output-unwritable", "is a directory"),
    (1, "info damaged.gcm", "module-damaged", "not a whole graphc module"),
    (1, "info none.gcm", "file-missing", "there is no file none.gcm"),
    (1, "info net.gc", "file-unreadable", "`graphc check net.gc`"),
    (1, "show net.gc --export forward", "unknown-export", "no export 'forward'"),
    (1, "show wrong.gc", "argument-count", "--> wrong.gc:10:"),
    (1, "show none", "file-missing", "there is no file none"),
    (1, "show text.npy", "syntax", "--> text.npy:1:"),
    (1, "show x.npy", "encoding", "not UTF-8"),
    (1, "show damaged.gcm", "module-damaged", "not a whole graphc module"),
    (1, "fmt none.gc", "file-missing", "there is no file none.gc"),
    (1, "fmt bytes.gc", "encoding", "not UTF-8"),
    (1, "fmt net.gcm", "file-unreadable", "is a module"),
)


@pytest.mark.parametrize(
    ("exit_code", "command", "code", "message"), FAILURES, ids=[f"{f[1]}: {f[3]}" for f in FAILURES]
)
def test_failures(built: Run, exit_code: int, command: str, code: str, message: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    found, _, errors = built(*command.split())
    assert found == exit_code, errors
    assert message in errors
    assert errors.startswith("usage:" if not code else f"error[{code}]:")
    assert "Traceback" not in errors and "internal" not in errors
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_the_table_of_failures_has_every_command() -> None:
    for exit_code in (1, 2):
        commands = {
            command.split()[0] for found, command, *_ in FAILURES if command and found == exit_code
        }
        assert commands >= set(cli._COMMANDS) - {"doctor"}


ERRORS = [
    value
    for value in vars(graphc.errors).values()
    if isinstance(value, type) and issubclass(value, GraphcError)
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("command", cli._COMMANDS)
def test_every_error_of_a_command_exits_with_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, kind: type[GraphcError], command: str
) -> None:
    def refuse(*arguments: Any) -> Any:
        raise kind([GraphcError("found")]) if kind is ErrorGroup else kind("found")  # type: ignore

    monkeypatch.setattr(f"graphc.cli.{command}.run", refuse)
    words = {"run": ["run", "net.gcm", "predict"], "doctor": ["doctor"]}
    code, _, errors = run(*words.get(command, [command, "net.gc"]))
    assert (code, errors.split("]: ")[1]) == (1, "found\n")


def test_the_help_says_what_exit_codes_mean(run: Run) -> None:
    code, output, _ = run("--help")
    assert code == 0 and cli.EXIT_CODES in output


@pytest.mark.parametrize("name", ["graphc", "graphc.cli"])
def test_the_package_is_a_command(run: Run, name: str) -> None:
    command = [sys.executable, "-m", name, "check", "net.gc", "none.gc"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "net.gc: predict" in result.stdout and "no file none.gc" in result.stderr


def test_a_syntax_error_shows_its_line(run: Run) -> None:
    Path("broken.gc").write_text("export predict = (\n")
    for command in ("build", "check", "fmt", "show"):
        code, _, errors = run(command, "broken.gc")
        assert code == 1
        assert "broken.gc:" in errors and "^" in errors
        assert Path("broken.gc").read_text() == "export predict = (\n"


def test_a_defect_is_reported_as_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("what nobody expected")

    monkeypatch.setattr("graphc.cli.doctor.run", broken)
    code, _, errors = run("doctor")
    assert code == 1
    assert "error[internal]: RuntimeError: what nobody expected" in errors
    assert "test_cli.py" in errors and "please report it" in errors


def test_an_interrupt_leaves_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphc.cli.doctor.run", interrupted)
    assert run("doctor") == (130, "", "interrupted\n")


def heed_interrupts() -> None:
    """Of a process that a shell has put into the background interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interrupt_while_the_compiler_runs_leaves_nothing(built: Run, tmp_path: Path) -> None:
    compiler = Path("slow-cc")
    # Python forgets a child if the interrupt comes while it still waits for the child to start.
    lines = ["#!/bin/sh", "echo half > part", "sleep 1", f"echo $$ > {tmp_path}/started"]
    lines.append("exec sleep 600")
    compiler.write_text("\n".join(lines))
    compiler.chmod(0o755)
    cache = tmp_path / "cache"
    variables = {"GRAPHC_CC": str(compiler.absolute()), "GRAPHC_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "graphc", "run", "net.gcm", "predict", "x=x.npy"]
    process = subprocess.Popen(
        [*command, "--device", "cpu", "-o", "out.npy"], env={**os.environ, **variables},
        stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    started = tmp_path / "started"
    while not (started.exists() and started.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate()[1] == "interrupted\n"
    assert process.returncode == 130
    assert not Path("out.npy").exists()
    assert [path for path in cache.rglob("*") if "cpu" in path.parts and path.is_file()] == []
    assert not list(cache.rglob(".new-*"))
    # What has ended has no command line, whether or not its exit code has been fetched. The kill
    # was sent before; when it arrives is the system's matter.
    compiling = Path("/proc", started.read_text().strip(), "cmdline")
    deadline = time.monotonic() + 60
    while compiling.exists() and compiling.read_bytes():
        assert time.monotonic() < deadline, "the compiler still runs"
        time.sleep(0.01)


COMPILES = """
from graphc import cli
from graphc.cli import doctor
from graphc.codegen import nvrtc

lines = "".join(f"v = v * {i}.5f + sinf(v);\\n" for i in range(4000))
text = 'extern "C" __global__ void k(float* x) { float v = *x;' + lines + "*x = v; }"

def run(options):
    print("begins", flush=True)
    nvrtc.compile_all([nvrtc.Request(text, arch, "long") for arch in ("sm_80", "sm_90")])

doctor.run = run
cli.main()
"""


def test_an_interrupt_does_not_wait_for_nvrtc() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMPILES, "doctor"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "begins\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    # The compilation alone takes minutes.
    assert process.communicate(timeout=60)[1] == "interrupted\n"
    assert process.returncode == 130


def test_a_reader_that_has_gone_is_no_error(run: Run) -> None:
    command = f"{sys.executable} -c '{MAIN}'"
    result = subprocess.run(
        f"{command} show net.gc --stage kernels | head -1", shell=True, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert result.stderr == "" and len(result.stdout.splitlines()) == 1


def test_a_reader_that_has_gone_ends_the_command_as_its_signal_would(run: Run) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", MAIN, "show", "net.gc"]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, b"")


WRITERS = [
    ["--help"],
    ["info", "net.gcm"],
    ["check", "net.gc"],
    ["show", "net.gc"],
    ["show", "net.gc", "--stage", "kernels"],
    ["doctor"],
    ["run", "net.gcm", "predict", "x=x.npy", "--device", "reference"],
    ["fmt", "net.gc"],
]


@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
@pytest.mark.parametrize(
    ("redirection", "why"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_an_output_that_cannot_be_written(
    built: Run, command: list[str], redirection: str, why: str
) -> None:
    result = shell(command, redirection)
    lines = result.stderr.splitlines()
    assert lines[0] == f"error[output-unwritable]: the output cannot be written: {why}"
    assert len(lines) == 2 and "= hint: " in lines[1]
    assert result.returncode == 1


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "<&- 2>&-"])
def test_errors_that_nobody_sees(built: Run, redirection: str) -> None:
    done = shell(["info", "net.gcm"], redirection)
    assert (done.returncode, done.stdout[:11]) == (0, "Two exports")
    for command, code in ((["info", "none.gcm"], 1), (["check", "wrong.gc"], 1)):
        failed = shell(command, redirection)
        assert (failed.returncode, failed.stdout, failed.stderr) == (code, "", "")
    assert shell(["info", "none.gcm"], "<&- >&- 2>&-").returncode == 1


def test_what_has_no_output_needs_none(run: Run) -> None:
    command = ["build", "net.gc", "--quiet"]
    assert [shell(command, to).returncode for to in (">/dev/full", "<&- >&- 2>&-")] == [0, 0]
    assert run("info", "net.gcm")[0] == 0


def test_letters_that_a_terminal_lacks_are_escaped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("net\u00fc.gc").write_text(SOURCE)
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert shell(["check", "net\u00fc.gc"]).stdout.startswith("net\\xfc.gc: predict")


# -- sources that are none ------------------------------------------------------------------------

READERS = ("check", "build", "fmt", "show")


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("name", ["/dev/zero", "pipe.gc"])
def test_a_source_is_an_ordinary_file(run: Run, command: str, name: str) -> None:
    os.mkfifo("pipe.gc")
    # In a process of its own: what reads it would never end.
    result = subprocess.run(
        [sys.executable, "-m", "graphc", command, name],
        capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)),
    )  # fmt: skip
    assert result.returncode == 1
    assert f"error[file-unreadable]: {name} is not an ordinary file" in result.stderr
    assert "hint:" in result.stderr


@pytest.mark.parametrize("command", READERS)
def test_a_source_that_is_too_large_is_not_read(run: Run, command: str) -> None:
    with open("huge.gc", "wb") as file:
        file.truncate(8 * 2**30)
    code, _, errors = run(command, "huge.gc")
    assert code == 1
    assert "error[file-unreadable]: huge.gc has 8589934592 bytes; a source has at most" in errors
    assert "--> huge.gc:1:1" in errors and "hint:" in errors


@pytest.mark.parametrize("command", [["check"], ["fmt"], ["show"], ["info"], ["run"]])
def test_an_empty_name_names_no_file(run: Run, command: list[str]) -> None:
    code, _, errors = run(*command, "", *(["f"] if command == ["run"] else []))
    assert code == 2
    assert "error[usage]: no file is named" in errors and "hint:" in errors


# -- settings -------------------------------------------------------------------------------------

# Setting, value, exit code, the error's code. What is no value is refused whatever the command
# does; a file that is named, and is none, when it is needed.
SETTINGS: tuple[tuple[str, str, int, str], ...] = (
    *((f"GRAPHC_{name}", "", 0, "") for name in ("DEVICE", "THREADS", "VERIFY", "CC")),
    *((f"GRAPHC_{name}", "", 0, "") for name in ("CACHE_DIR", "DUMP")),
    *(("GRAPHC_DEVICE", device, 0, "") for device in ("auto", "cpu", "sim", "reference")),
    ("GRAPHC_DEVICE", "cuda", 1, "target-missing"),
    ("GRAPHC_DEVICE", "tpu", 2, "usage"),
    ("GRAPHC_DEVICE", "CPU", 2, "usage"),
    ("GRAPHC_THREADS", "1", 0, ""),
    ("GRAPHC_THREADS", "0", 2, "usage"),
    ("GRAPHC_THREADS", "-1", 2, "usage"),
    ("GRAPHC_THREADS", "1025", 2, "usage"),
    ("GRAPHC_THREADS", "1.5", 2, "usage"),
    ("GRAPHC_THREADS", "abc", 2, "usage"),
    ("GRAPHC_THREADS", "\u0661", 2, "usage"),
    ("GRAPHC_THREADS", "9" * 5000, 2, "usage"),
    ("GRAPHC_VERIFY", "0", 0, ""),
    ("GRAPHC_VERIFY", "1", 0, ""),
    ("GRAPHC_VERIFY", "2", 2, "usage"),
    ("GRAPHC_VERIFY", "yes", 2, "usage"),
    ("GRAPHC_CC", "/nowhere/cc", 1, "compiler-missing"),
    ("GRAPHC_CC", "false", 1, "compiler-failed"),
    ("GRAPHC_CACHE_DIR", "folder", 0, ""),
    ("GRAPHC_CACHE_DIR", "text.npy/cache", 0, ""),
    ("GRAPHC_DUMP", "folder", 0, ""),
    ("GRAPHC_DUMP", "text.npy/dump", 1, "output-unwritable"),
)


@pytest.mark.parametrize(
    ("name", "value", "exit_code", "code"),
    SETTINGS,
    ids=[f"{name}={value[:20]}" for name, value, *_ in SETTINGS],
)
def test_settings(
    built: Run, environment: pytest.MonkeyPatch, name: str, value: str, exit_code: int, code: str
) -> None:
    environment.setenv(name, value)
    call = "run net.gcm predict x=x.npy"
    # Passes run in a build, whatever is in the cache; "auto" does without a compiler.
    needed_by = {"GRAPHC_DUMP": "build net.gc -q", "GRAPHC_CC": f"{call} --device cpu"}
    for command in [needed_by.get(name, call), *(["check net.gc"] if exit_code == 2 else [])]:
        found, _, errors = built(*command.split())
        assert found == exit_code, errors
        assert errors.startswith(f"error[{code}]:") if code else "error" not in errors
        if code and code != "target-missing":
            assert name in errors.split("hint:")[1]


def test_the_table_of_settings_has_every_setting() -> None:
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return default

    Settings.from_environment(Environment())
    assert {name for name in read if name.startswith("GRAPHC_")} == {name for name, *_ in SETTINGS}


# -- hints ----------------------------------------------------------------------------------------


HINTS = (
    ("build net.gc -o net.so", "name it net.gcm"),
    ("build net.gc -o .", "name it model.gcm"),
    ("run net.gcm predict x=x.npy -o out.txt", "name it out.npy"),
    ("run net.gcm predict x=one", "write x=FILE.npy"),
    ("run net.gcm predict x=x.npy x=x.npy", "write x=... once"),
    ("run net.gcm predict", "add x=..."),
    ("check elsewhere.gc", "write the whole path, or the path from the present folder"),
    ("build none/net.gc -o net.gcm", "write the whole path"),
    ("run net.gcm predict y=x.npy", "its arguments are x"),
    ("run net.gcm predict x=1", "give a shape of 2 sizes, as f32[B, 4] has"),
)


@pytest.mark.parametrize(("command", "hint"), HINTS, ids=[one[0] for one in HINTS])
def test_hints(built: Run, command: str, hint: str) -> None:
    assert f"hint: {hint}" in built(*command.split())[2]


SOURCE_HINTS = (
    ("export f = f\n", "define 'f' in this file, or import it"),
    ("const a = 10**100000000\n", "whole numbers lie between -2**64 and 2**64"),
    ("const a = 18446744073709551616\n", "integers reach to 2**64 - 1"),
    ("dim B: 8..1\n", "write the smaller number first: 1..8"),
    (
        "def f(x: f32[3], w: i32[3]):\n    return x @ w\nexport f = f\n",
        "cast the i32 operand to f32",
    ),
    ("def f(x: f32[3]):\n    return relu(x, x, x)\nexport f = f\n", "it is relu(x)\n"),
)


@pytest.mark.parametrize(("text", "hint"), SOURCE_HINTS, ids=[one[1] for one in SOURCE_HINTS])
def test_hints_on_sources(run: Run, text: str, hint: str) -> None:
    Path("hinted.gc").write_text(text)
    assert f"hint: {hint}" in run("check", "hinted.gc")[2]


def test_a_place_that_is_missing_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_atomically(tmp_path / "none" / "a.gcm", b"")
    assert (
        caught.value.hint == f"make the folder {tmp_path / 'none'} first, or choose another place"
    )


def test_a_place_that_takes_no_files_is_not_to_be_made() -> None:
    with pytest.raises(UsageError) as caught:
        write_atomically(Path("/proc/a.gcm"), b"")
    assert caught.value.hint == "choose another place: /proc takes no new files"


def test_arguments_are_not_asked_for_where_there_need_be_none(run: Run) -> None:
    code, _, errors = run("run", "net.gcm")
    assert code == 2
    assert errors.endswith("the following arguments are required: EXPORT\n")
    Path("none.gc").write_text("def f():\n    return ones([2], dtype=f32)\n\nexport f = f\n")
    assert run("build", "none.gc", "--quiet")[0] == 0
    assert run("run", "none.gcm", "f") == (0, "[1. 1.]\n", "")


# -- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**50, "1024.0 TiB")],
)
def test_quantities(nbytes: int, text: str) -> None:
    assert quantity(nbytes) == text


@pytest.mark.parametrize(
    ("text", "nbytes"), [("0", 0), ("7B", 7), ("1 kB", 1000), ("2MiB", 2**21), ("3gib", 3 * 2**30)]
)
def test_bytes_as_people_write_them(text: str, nbytes: int) -> None:
    assert number_of_bytes(text) == nbytes


@pytest.mark.parametrize("text", ["", "-1", "1.5", "MiB", "1 apple"])
def test_bytes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        number_of_bytes(text)


def test_tables_align() -> None:
    assert table([["a", "b"], ["longer", "1"]]) == "a       b\nlonger  1"
