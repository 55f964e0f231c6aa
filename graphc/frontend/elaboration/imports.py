"""Imports: the definitions of other files, each read and elaborated once.

`import layers` finds `layers.gc` beside the file that says so, `from parts.heads import Head`
finds `parts/heads.gc` below it. A path has names alone, so no import leads out of the folder,
unless by a link that stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from graphc.errors import Span, UsageError, did_you_mean, register_source
from graphc.frontend import syntax
from graphc.frontend.elaboration.program import Program
from graphc.frontend.elaboration.refusal import refused
from graphc.frontend.elaboration.scope import Definitions, Scope
from graphc.frontend.foreign_names import instead
from graphc.frontend.parsing.parser import parse

__all__ = ["Imports", "imported_names"]

MAX_FILES = 1000
"""Files that one program is made of."""


def imported_names(node: syntax.Import | syntax.ImportFrom) -> list[tuple[str, Span]]:
    """The names that an import defines, with their places."""
    if isinstance(node, syntax.ImportFrom):
        return [(one.alias or one.name, one.span) for one in node.names]
    return [(node.alias or node.path.split(".")[-1], node.span)]


class Imports:
    """The files of one program.

    Args:
        read: the text of a file; raises `UsageError` where there is none.
        library: what names mean that no file defines.
        declare: defines everything that a file says at its top.
    """

    def __init__(
        self,
        read: Callable[[str], str] | None,
        library: Mapping[str, object],
        declare: Callable[[Program, syntax.Module, str], None],
    ) -> None:
        self._read = read
        self._library = library
        self._declare = declare
        self._files: dict[str, Definitions] = {}
        self._chain: list[str] = []

    def define(self, program: Program, node: syntax.Import | syntax.ImportFrom, file: str) -> None:
        """Give the names of an import their meaning in a program.

        Raises:
            GraphcError: there is no such file or name, files import each other, or whatever is
                wrong in the file.
        """
        if isinstance(node, syntax.Import) and node.alias is None and "." in node.path:
            last = node.path.split(".")[-1]
            raise refused(
                f"the import of {node.path} needs a name",
                "import-name",
                node.span,
                f"write import {node.path} as {last}",
            )
        found = self._file(node, file, program)
        if isinstance(node, syntax.Import):
            program.scope.define(node.alias or node.path, found)
            return
        for one in node.names:
            value = found.find(one.name)
            if value is Scope.MISSING:
                raise refused(
                    f"{found.name} defines no {one.name!r}",
                    "unknown-name",
                    one.span,
                    did_you_mean(one.name, found.names()),
                )
            program.scope.define(one.alias or one.name, value)

    def _file(
        self, node: syntax.Import | syntax.ImportFrom, file: str, program: Program
    ) -> Definitions:
        path = str(Path(file).parent.joinpath(*node.path.split(".")).with_suffix(".gc"))
        if path in self._files:
            return self._files[path]
        if path in (file, *self._chain):
            chain = [*self._chain, file]
            circle = [*chain[chain.index(path) :], path]
            raise refused(
                f"files import each other: {' imports '.join(Path(one).name for one in circle)}",
                "import-cycle",
                node.span,
                "move what both need into a third file",
            )
        if len(self._files) + len(self._chain) >= MAX_FILES:
            raise refused(f"more than {MAX_FILES} files", "too-large", node.span)
        module = parse(self._text(path, node), path)
        inner = Program(self._library, program.run)
        with self._inside(file):
            self._declare(inner, module, path)
        self._files[path] = Definitions(Path(path).name, inner.scope)
        return self._files[path]

    def _text(self, path: str, node: syntax.Import | syntax.ImportFrom) -> str:
        if self._read is None:
            raise refused(
                "this program is no file, so there is nothing to import from", "import", node.span
            )
        try:
            text = self._read(path)
        except UsageError as error:
            raise refused(
                f"{node.path} is not imported: {error.message}",
                "import",
                node.span,
                instead(node.path.partition(".")[0])
                or "an import names a .gc file beside this one, without its ending",
            ) from None
        register_source(path, text)
        return text

    @contextmanager
    def _inside(self, file: str) -> Iterator[None]:
        self._chain.append(file)
        try:
            yield
        finally:
            self._chain.pop()
