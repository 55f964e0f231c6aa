"""The `.gcm` file: a module as data.

A zip archive, uncompressed and in fixed order, so that the same build gives the same bytes:

    manifest.json              what the module is; the hash of every other member
    graphs/<export>.gc         each export as a program of the language, before all passes
    sources.json               the source lines that the graphs come from
    weights.safetensors        the first value of all state
    programs/<target>.json     steps and memory plan for a target
    kernels/<target>.cu        the kernels of a GPU target, to read
    cubins/<architecture>.cubin, ptx/<architecture>.ptx

Nothing in it is code for the host: a loader reads JSON, text and arrays. Source files are named
without their folders, so that the bytes do not depend on where the model lies.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ModuleFormatError, UsageError
from graphc.ir import dtype as dtypes
from graphc.lazy import safetensors, safetensors_numpy

__all__ = ["FORMAT_VERSION", "ModuleFile", "read_module", "write_atomically"]

FORMAT = "graphc module"
FORMAT_VERSION = 1

Array = np.ndarray[Any, Any]

_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModuleFile:
    """The content of a module file.

    Attributes:
        manifest: exports with their inputs, results, dims and documentation; the build's
            options; reports of the build.
        graphs: canonical text of each export.
        weights: the first value of all state, by name.
        programs: the plan for each target, as plain data.
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
        """A hash of what host code is generated from: the graphs, whatever the weights."""
        return hashlib.sha256(_json(dict(self.graphs)).encode()).hexdigest()

    def to_bytes(self) -> bytes:
        """The file; the same content gives the same bytes.

        Raises:
            DTypeError: a weight of a dtype that safetensors has no name for.
            ModuleFormatError: a name that cannot be that of a member.
        """
        members: dict[str, bytes] = {}
        for name, text in self.graphs.items():
            members[f"graphs/{name}.gc"] = text.encode()
        members["sources.json"] = _json(self.sources).encode()
        members["weights.safetensors"] = _pack_weights(self.weights)
        for target, program in self.programs.items():
            members[f"programs/{target}.json"] = _json(program).encode()
        for target, text in self.kernels.items():
            members[f"kernels/{target}.cu"] = text.encode()
        members.update(self.binaries)
        for name in members:
            if not _is_plain(name):
                raise ModuleFormatError(f"{name!r} cannot be the name of a member of a module")
        hashes = {name: hashlib.sha256(members[name]).hexdigest() for name in sorted(members)}
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **self.manifest,
            "members": hashes,
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            _add(archive, "manifest.json", _json(manifest).encode())
            for name in sorted(members):
                _add(archive, name, members[name])
        return buffer.getvalue()

    def write(self, path: Path) -> int:
        """Write the file whole or not at all; returns its size in bytes."""
        data = self.to_bytes()
        write_atomically(path, data)
        return len(data)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it, so that nobody ever sees a part of it.

    A file that is there keeps its permissions; one that must not be written is left alone. A
    link stays one: what it points to is replaced.

    Raises:
        UsageError: the place cannot be written.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = _permissions(place)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, place)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _permissions(place: Path) -> int:
    """Those of the file that is there, or what the process gives to new files."""
    if place.exists():
        mode = place.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file")
        if not mode & stat.S_IWUSR or not os.access(place, os.W_OK):
            raise OSError(errno.EACCES, "it is read-only")
        return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be written: {error.strerror or error}",
        code="output-unwritable",
        hint="choose another place with --output",
    )


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)


# -- weights ---------------------------------------------------------------------------------


def _pack_weights(weights: Mapping[str, Array]) -> bytes:
    # In the machine's byte order and contiguous; ascontiguousarray would add an axis to numbers.
    plain = {n: np.asarray(a, a.dtype.newbyteorder("="), order="C") for n, a in weights.items()}
    for name, array in plain.items():
        dtype = dtypes.from_numpy(array.dtype)
        if dtype.safetensors_name is None:
            raise DTypeError(
                f"the state {name!r} is {dtype.name}, which a module file cannot hold",
                code="dtype-unsupported",
                hint="keep it as c64, or as two tensors for the real and the imaginary part",
            )
    return bytes(safetensors_numpy.save(plain))


def _unpack_weights(data: bytes, path: Path) -> dict[str, Array]:
    try:
        tensors: list[tuple[str, Any]] = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise _damaged(path, f"its weights cannot be read: {error}") from error
    weights = {}
    for name, tensor in tensors:
        dtype = next((d for d in dtypes.ALL if d.safetensors_name == tensor["dtype"]), None)
        if dtype is None:
            raise _damaged(path, f"the weight {name!r} has the unknown dtype {tensor['dtype']}")
        array = np.frombuffer(tensor["data"], dtype.numpy)
        weights[name] = array.reshape(tensor["shape"])
    return weights


# -- reading ---------------------------------------------------------------------------------


def read_module(path: Path) -> ModuleFile:
    """Read a module file; every byte is checked against the manifest's hashes.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        ModuleFormatError: it is no module, is truncated or edited, or is of a newer format.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", code="file-missing") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory, expected a module file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise _damaged(path, f"it is not an archive ({error})") from error
    with archive:
        try:
            return _read_members(archive, path)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
            raise _damaged(path, str(error)) from error
        except (RuntimeError, zlib.error) as error:  # encrypted members, broken compression
            raise _damaged(path, str(error)) from error


def _read_members(archive: zipfile.ZipFile, path: Path) -> ModuleFile:
    _check_directory(archive, path)
    manifest = _manifest(archive, path)
    members: dict[str, bytes] = {}
    hashes = manifest["members"]
    present = [name for name in archive.namelist() if name != "manifest.json"]
    if set(present) != set(hashes):
        odd = sorted(set(present) ^ set(hashes))
        raise _damaged(path, f"its members differ from its manifest: {', '.join(odd[:3])}")
    for name in present:
        data = archive.read(name)
        if hashlib.sha256(data).hexdigest() != hashes[name]:
            raise _damaged(path, f"{name} is not what the build wrote")
        members[name] = data

    def texts(folder: str, suffix: str) -> dict[str, str]:
        return {
            name.removeprefix(folder).removesuffix(suffix): data.decode()
            for name, data in members.items()
            if name.startswith(folder) and name.endswith(suffix)
        }

    file = ModuleFile(
        manifest={
            k: v for k, v in manifest.items() if k not in ("format", "format_version", "members")
        },
        graphs=texts("graphs/", ".gc"),
        weights=_unpack_weights(_member(members, "weights.safetensors", path), path),
        programs={k: json.loads(v) for k, v in texts("programs/", ".json").items()},
        kernels=texts("kernels/", ".cu"),
        binaries={n: d for n, d in members.items() if n.startswith(("cubins/", "ptx/"))},
        sources=json.loads(_member(members, "sources.json", path)),
    )
    if set(file.graphs) != set(manifest["exports"]):
        raise _damaged(path, "its manifest lists other exports than it has graphs of")
    return file


def _check_directory(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse what a build does not write, before any of it is read into memory."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise _damaged(path, "a member is there twice")
    for name in names:
        if not _is_plain(name):
            raise _damaged(path, f"{name!r} is no name of a member")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise _damaged(path, "a member is compressed")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise _damaged(path, "its members are larger than the file")


def _is_plain(name: str) -> bool:
    """Whether a member of this name lies inside the folder that an archive is unpacked to."""
    parts = name.split("/")
    return name.isprintable() and not any(
        part in ("", ".", "..") or "\\" in part or ":" in part for part in parts
    )


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    if "manifest.json" not in archive.namelist():
        raise _damaged(path, "it has no manifest.json")
    manifest = json.loads(archive.read("manifest.json"))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(path, "its manifest is not that of a graphc module")
    version = manifest.get("format_version")
    if type(version) is not int or version < 1:
        raise _damaged(path, f"its format version is {version!r}")
    if version > FORMAT_VERSION:
        raise ModuleFormatError(
            f"{path} has the module format {version}, this graphc reads up to {FORMAT_VERSION}",
            code="module-newer",
            hint="install a newer graphc, or build the module again with this one",
        )
    hashes, exports = manifest.get("members"), manifest.get("exports")
    if not isinstance(hashes, dict) or not isinstance(exports, dict):
        raise _damaged(path, "its manifest lacks 'members' or 'exports'")
    for name, export in exports.items():
        if not _is_export(export):
            raise _damaged(path, f"its manifest does not describe the export {name!r}")
    return manifest


def _is_export(export: Any) -> bool:
    """Whether the manifest's entry of an export has the parts that `compiler` writes."""

    def texts(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)

    def is_dim(value: Any) -> bool:
        return isinstance(value, list) and [type(item) for item in value] == [str, int, int]

    return (
        isinstance(export, dict)
        and isinstance(export.get("doc"), str)
        and isinstance(export.get("inputs"), list)
        and all(texts(pair) and len(pair) == 2 for pair in export["inputs"])
        and texts(export.get("results"))
        and texts(export.get("state"))
        and isinstance(export.get("dims"), dict)
        and all(map(is_dim, export["dims"].values()))
    )


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
