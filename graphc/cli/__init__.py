"""The command line: `graphc build, check, run, show, info, doctor, fmt`.

Every error is printed as `GraphcError.render` lays it out. There is one rule of exit codes,
`EXIT_CODES`: what can be refused before any file is read is a fault of the command line.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from graphc import __version__, config
from graphc.cli.streams import discard, fault_of_output, prepare_streams, tell
from graphc.errors import GraphcError, InternalError, did_you_mean

__all__ = ["EXIT_CODES", "main"]

# The module of a command is imported when it runs: each needs another part of the package.
_COMMANDS = {
    "build": "compile a model to one .gcm file",
    "check": "check .gc files: syntax, names, dtypes and shapes",
    "run": "call an export of a module with arrays from files",
    "show": "show what graphc made of a model",
    "info": "say what a module file contains",
    "doctor": "say what this machine has and lacks",
    "fmt": "format .gc files",
}


EXIT_CODES = """\
exit codes:
  0    done
  1    a file, what is in it, or this machine does not allow it; `check` and `fmt --check` found
       something; `doctor` found no device but the reference
  2    the command line, or a setting in the environment, cannot be understood
  130  interrupted
  141  the reader of the output has gone before its end, as in `graphc show | head -1`"""

_READER_HAS_GONE = 128 + signal.SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, one of `EXIT_CODES`.

    Raises:
        SystemExit: the command line asks for help, or argparse does not understand it.
    """
    understood = False
    try:
        if arguments is None:
            prepare_streams()
        options = _options(list(sys.argv[1:] if arguments is None else arguments))
        if arguments is None:
            # The process is ours. What is loaded stays to its end: looking through that for
            # garbage, then and in between, takes a tenth of what `check` does.
            gc.freeze()
        # A setting that makes no sense is refused like a word that makes none.
        config.settings()
        understood = True
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except GraphcError as error:
        tell(error.render())
        return 1 if understood else 2
    except BrokenPipeError:
        # Nobody is left to tell. What was to follow the output was not done, so this is no 0; it
        # is what a shell says of a program that the signal has ended.
        discard(sys.stdout)
        return _READER_HAS_GONE
    except OSError as error:
        tell((fault_of_output() or _defect(error)).render())
        return 1
    except KeyboardInterrupt:
        tell("interrupted")
        if arguments is None:
            # The process is ours: it does not wait for a compiler that runs in a thread.
            os._exit(130)
        return 130
    except Exception as error:
        tell(_defect(error).render())
        return 1


def _options(given: list[str]) -> argparse.Namespace:
    """The parsed command line, with the command's function as `run`."""
    parser = argparse.ArgumentParser(
        prog="graphc",
        description="A static-graph tensor compiler.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"graphc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = next((word for word in given if not word.startswith("-")), None)
    if command is not None and command not in _COMMANDS and given[0] == command:
        near = did_you_mean(command, _COMMANDS)
        if near is not None:
            parser.error(f"there is no command {command!r}: {near}")
    for name, summary in _COMMANDS.items():
        one = commands.add_parser(name, help=summary, allow_abbrev=False)
        if name == command:
            module = importlib.import_module(f"graphc.cli.{name}")
            one.description = module.__doc__
            one.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(one)
            one.set_defaults(run=module.run)
    try:
        return parser.parse_args(given)
    except SystemExit as end:
        if not end.code:
            # argparse keeps to itself that its help could not be printed.
            print(end="", flush=True)
        raise


def _defect(error: Exception) -> InternalError:
    """What nobody expected, as an error: its kind, and where in graphc it happened."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return InternalError(
        f"{type(error).__name__}: {error}",
        hint="this is a defect of graphc: please report it with the model and `graphc doctor`",
        notes=[f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames],
    )
