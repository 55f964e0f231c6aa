"""The `.gcm` file: a module as data.

A zip archive, uncompressed and in fixed order, so that the same build gives the same bytes:

    manifest.json              what the module is; size and hash of every other member
    manifest.sha256            the hash of the manifest, as `sha256sum --check` reads it
    graphs/<export>.gc         each export as a program of the language, before all passes
    sources.json               the source lines that the graphs come from
    weights.safetensors        the first value of all state
    programs/<target>.json     steps and memory plan for a GPU target
    kernels/<target>.cu        the kernels of a GPU target, to read
    cubins/<architecture>.cubin, ptx/<architecture>.ptx

Nothing in it is code for the host: a loader reads JSON, text and arrays. Source files are named
without their folders, so that the bytes do not depend on where the model lies. The hashes tell
damage and edits, and guard against nobody who computes them anew: a loader compares what the
manifest says of the exports with the graphs and programs.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from graphc.errors import ModuleFormatError, UsageError
from graphc.ordinary_file import open_ordinary
from graphc.runtime.atomic_write import atomic_file
from graphc.runtime.manifest import (
    FORMAT_VERSION,
    FormatTooNewError,
    Manifest,
    Member,
    json_bytes,
    parse_json,
)
from graphc.runtime.output_path import module_path
from graphc.runtime.weights import Pieces, read_weights, weight_pieces, weight_types

__all__ = ["ModuleFile", "read_manifest", "read_module"]

Array = np.ndarray[Any, Any]

_DATE = (1980, 1, 1, 0, 0, 0)
_MANIFEST, _SEAL, _WEIGHTS = "manifest.json", "manifest.sha256", "weights.safetensors"
_ELF = b"\x7fELF"


@dataclass(frozen=True)
class ModuleFile:
    """The content of a module file.

    Attributes:
        manifest: exports with their inputs, results, dims and documentation; the build's
            options; reports of the build.
        graphs: canonical text of each export.
        weights: the first value of all state, by name.
        programs: the plan for each GPU target, as plain data.
        kernels: text of the kernels of GPU targets, by target.
        binaries: cubins and PTX, by member name.
        sources: spans of the graphs' nodes, as plain data.
    """

    manifest: Mapping[str, Any]
    graphs: Mapping[str, str]
    weights: Mapping[str, Array]
    programs: Mapping[str, Any] = field(default_factory=dict)
    kernels: Mapping[str, str] = field(default_factory=dict)
    binaries: Mapping[str, bytes] = field(default_factory=dict)
    sources: Mapping[str, Any] = field(default_factory=dict)

    def content_key(self) -> str:
        """A hash of what host code is generated from: graphs and their lines, not the weights."""
        return _hash(json_bytes({"graphs": dict(self.graphs), "sources": self.sources}))

    def to_bytes(self) -> bytes:
        """The file; the same content gives the same bytes.

        Raises:
            ModuleFormatError: a name that cannot be that of a member.
        """
        buffer = io.BytesIO()
        self._write_to(buffer)
        return buffer.getvalue()

    def write(self, path: str | Path) -> int:
        """Write the file whole or not at all; returns its size in bytes.

        Raises:
            UsageError: not the path of a `.gcm` file, or a place that cannot be written.
        """
        place = module_path(path)
        with atomic_file(place) as file:
            self._write_to(file)
            return file.tell()

    def _write_to(self, file: IO[bytes]) -> None:
        members = self._members()
        manifest = Manifest(
            self.manifest,
            {name: Member(_size(pieces), _hash(*pieces)) for name, pieces in members.items()},
            weight_types(self.weights),
        ).to_bytes()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _add(archive, _MANIFEST, (manifest,))
            _add(archive, _SEAL, (_seal(manifest),))
            for name in sorted(members):
                _add(archive, name, members[name])

    def _members(self) -> dict[str, Pieces]:
        """All members but the manifest and its seal."""
        members: dict[str, Pieces] = {}
        for name, text in self.graphs.items():
            members[f"graphs/{name}.gc"] = (text.encode(),)
        members["sources.json"] = (json_bytes(self.sources),)
        members[_WEIGHTS] = weight_pieces(self.weights)
        for target, program in self.programs.items():
            members[f"programs/{target}.json"] = (json_bytes(program),)
        for target, text in self.kernels.items():
            members[f"kernels/{target}.cu"] = (text.encode(),)
        members.update((name, (data,)) for name, data in self.binaries.items())
        for name in members:
            if not _is_plain(name):
                raise ModuleFormatError(f"{name!r} cannot be the name of a member of a module")
        return members


def _size(pieces: Pieces) -> int:
    return sum(memoryview(piece).nbytes for piece in pieces)


def _hash(*pieces: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


class _Hashed:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, nbytes: int) -> bytes:
        data = self._stream.read(nbytes)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Of what was read, and of what was not."""
        while self.read(1 << 16):
            pass
        return self._hash.hexdigest()


def _seal(manifest: bytes) -> bytes:
    return f"{_hash(manifest)}  {_MANIFEST}\n".encode()


def _add(archive: zipfile.ZipFile, name: str, pieces: Pieces) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = 0o644 << 16
    info.file_size = _size(pieces)
    with archive.open(info, "w") as member:
        for piece in pieces:
            member.write(piece)


# -- reading ---------------------------------------------------------------------------------


def read_manifest(path: Path) -> Manifest:
    """What a module file says of itself; no other member is read, however large they are.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        ModuleFormatError: it is no module, is truncated, its manifest is edited, or it is of a
            newer format.
    """
    with _archive(path) as archive:
        return _checked_manifest(archive, path)


def read_module(path: Path, *, with_weights: bool = True) -> ModuleFile:
    """Read a module file; every byte that is read is checked against the manifest's hashes.

    Args:
        path: the file.
        with_weights: whether to read the weights, which may be large; else there are none.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        ModuleFormatError: it is no module, is truncated or edited, or is of a newer format.
    """
    with _archive(path) as archive:
        return _read_members(archive, path, with_weights)


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive of a module file; what is wrong with it is an error of the module."""
    with open_ordinary(path, "a module file") as file:
        if path.suffix == ".gc":
            raise UsageError(
                f"{path} is a source, expected a module file",
                code="file-unreadable",
                hint=f"check it with `graphc check {path}`, or compile it: `graphc build {path}`",
            )
        try:
            with zipfile.ZipFile(file) as archive:
                _check_directory(archive, path)
                yield archive
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise _damaged(path, f"it is not an archive ({error})") from error
        # Encrypted members, unknown features, offsets outside the file, text that is none.
        except (RuntimeError, NotImplementedError, OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error


def _check_directory(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse what a build does not write, before any of it is read into memory."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise _damaged(path, "a member is there twice")
    for name in names:
        if not _is_plain(name):
            raise _damaged(path, f"{name!r} is no name of a member")
    if any(
        member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size
        for member in members
    ):
        raise _damaged(path, "a member is compressed")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise _damaged(path, "its members are larger than the file")
    if archive.comment or (members and min(m.header_offset for m in members) != 0):
        raise _damaged(path, "there is something before or after its members")


def _is_plain(name: str) -> bool:
    """Whether a member of this name lies inside the folder that an archive is unpacked to."""
    parts = name.split("/")
    return name.isprintable() and not any(
        part in ("", ".", "..") or "\\" in part or ":" in part for part in parts
    )


def _checked_manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    sizes = {member.filename: member.file_size for member in archive.infolist()}
    if sizes.pop(_MANIFEST, None) is None:
        raise _damaged(path, f"it has no {_MANIFEST}")
    has_seal = sizes.pop(_SEAL, None) is not None
    data = _read(archive, _MANIFEST, path)
    if has_seal and _read(archive, _SEAL, path) != _seal(data):
        raise _damaged(path, f"{_MANIFEST} is not what the build wrote")
    try:
        manifest = Manifest.from_bytes(data)
    except FormatTooNewError as error:
        raise ModuleFormatError(
            f"{path} has the module format {error}, this graphc reads up to {FORMAT_VERSION}",
            code="module-newer",
            hint="install a newer graphc, or build the module again with this one",
        ) from None
    if not has_seal:
        raise _damaged(path, f"it has no {_SEAL}")
    odd = sorted(set(sizes) ^ set(manifest.members))
    odd += [n for n, m in sorted(manifest.members.items()) if sizes.get(n, m.nbytes) != m.nbytes]
    if odd:
        raise _damaged(path, f"its members differ from its manifest: {', '.join(odd[:3])}")
    return manifest


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    with _reading(name, path):
        return archive.read(name)


@contextlib.contextmanager
def _reading(name: str, path: Path) -> Iterator[None]:
    """Name the member that is damaged."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _damaged(path, f"{name} is damaged ({error})") from error


def _read_members(archive: zipfile.ZipFile, path: Path, with_weights: bool) -> ModuleFile:
    manifest = _checked_manifest(archive, path)
    members: dict[str, bytes] = {}
    weights: Mapping[str, Array] = {}
    for name, member in manifest.members.items():
        if name != _WEIGHTS:
            members[name] = _read(archive, name, path)
            digest = _hash(members[name])
        elif with_weights:
            with _reading(name, path), archive.open(name) as stream:
                hashed = _Hashed(stream)
                weights = read_weights(hashed, member.nbytes, manifest.weights)
                digest = hashed.digest()
        else:
            continue
        if digest != member.digest:
            raise _damaged(path, f"{name} is not what the build wrote")
        if name.startswith("cubins/") and not members[name].startswith(_ELF):
            raise _damaged(path, f"{name} is no ELF file, as a cubin is")
    if _WEIGHTS not in manifest.members:
        raise _damaged(path, f"it has no {_WEIGHTS}")
    if with_weights and weight_types(weights) != manifest.weights:
        raise _damaged(path, "its manifest lists other weights than it has")

    def texts(folder: str, suffix: str) -> dict[str, str]:
        return {
            name.removeprefix(folder).removesuffix(suffix): data.decode()
            for name, data in members.items()
            if name.startswith(folder) and name.endswith(suffix)
        }

    file = ModuleFile(
        manifest=manifest.facts,
        graphs=texts("graphs/", ".gc"),
        weights=weights,
        programs={k: parse_json(v.encode()) for k, v in texts("programs/", ".json").items()},
        kernels=texts("kernels/", ".cu"),
        binaries={n: d for n, d in members.items() if n.startswith(("cubins/", "ptx/"))},
        sources=parse_json(_member(members, "sources.json", path)),
    )
    if set(file.graphs) != set(manifest.facts["exports"]):
        raise _damaged(path, "its manifest lists other exports than it has graphs of")
    return file


def _member(members: Mapping[str, bytes], name: str, path: Path) -> bytes:
    if name not in members:
        raise _damaged(path, f"it has no {name}")
    return members[name]


def _damaged(path: Path, what: str) -> ModuleFormatError:
    return ModuleFormatError(
        f"{path} is not a whole graphc module: {what}",
        code="module-damaged",
        hint="build it again with `graphc build`, or copy it again from where it came",
    )
