"""The command line: `graphc build, check, run, show, info, doctor, fmt`.

Every error is printed as `GraphcError.render` lays it out; the exit code is 1 where the model,
the module or the machine is at fault, 2 where the command line is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from graphc.cli import build, check, doctor, fmt, info, run, show
from graphc.errors import GraphcError

__all__ = ["main"]

_COMMANDS = (build, check, run, show, info, doctor, fmt)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="graphc", description="A static-graph tensor compiler.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        name = module.__name__.rpartition(".")[2]
        doc = (module.__doc__ or "").strip()
        one = commands.add_parser(
            name,
            help=doc.splitlines()[0],
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(one)
        one.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except GraphcError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (`graphc show | head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
