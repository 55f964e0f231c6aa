"""Module files as archives of members, to take them apart and put them together otherwise."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping

__all__ = ["archive_of", "members_of", "sealed"]

MANIFEST, SEAL = "manifest.json", "manifest.sha256"


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sealed(members: Mapping[str, bytes], *, relist: bool = False) -> bytes:
    """A file of these members whose manifest has the right hash; with `relist`, also theirs."""
    given = dict(members)
    if relist:
        manifest = json.loads(given[MANIFEST])
        others = {n: d for n, d in given.items() if n not in (MANIFEST, SEAL)}
        manifest["members"] = {name: [len(data), digest(data)] for name, data in others.items()}
        given[MANIFEST] = json.dumps(manifest).encode()
    given[SEAL] = f"{digest(given[MANIFEST])}  {MANIFEST}\n".encode()
    return archive_of(given)
