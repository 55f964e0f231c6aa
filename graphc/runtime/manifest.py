"""What a module file says of itself: the one member that describes and seals all others."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from graphc.ir import dtype as dtypes
from graphc.ir.record import Record

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "FormatTooNewError",
    "Manifest",
    "Member",
    "json_bytes",
    "parse_json",
]

FORMAT = "graphc module"
FORMAT_VERSION = 1

_LARGEST = 1 << 63
_DTYPES = [dtype.name for dtype in dtypes.ALL]


class FormatTooNewError(Exception):
    """A manifest of a format that this reader does not know; its number is the argument."""


class Member(Record):
    """Size and SHA-256 of a member."""

    nbytes: int
    digest: str


class Manifest(Record):
    """A manifest whose form was checked.

    Attributes:
        facts: what the build says: exports, documentation, options, memory, variants.
        members: all other members, by name.
        weights: dtype and shape of each weight, by name.
    """

    facts: Mapping[str, Any]
    members: Mapping[str, Member]
    weights: Mapping[str, tuple[str, tuple[int, ...]]]

    @property
    def weight_bytes(self) -> int:
        """Memory of all weights."""
        return sum(
            dtypes.from_name(dtype).itemsize * math.prod(shape)
            for dtype, shape in self.weights.values()
        )

    def to_bytes(self) -> bytes:
        """The member `manifest.json`."""
        return json_bytes(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                **self.facts,
                "members": {name: [m.nbytes, m.digest] for name, m in self.members.items()},
                "weights": self.weights,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The manifest that `to_bytes` wrote; anything else is refused.

        Raises:
            ValueError: it has another form; the message says what is wrong.
            FormatTooNewError: it is of a newer format.
        """
        found = parse_json(data)
        if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
            raise ValueError("its manifest is not that of a graphc module")
        version = found.pop("format_version", None)
        if type(version) is not int or version < 1:
            raise ValueError(f"its format version is {version!r}")
        if version > FORMAT_VERSION:
            raise FormatTooNewError(version)
        for key, is_right in _FORMS.items():
            # Modules of earlier versions say nothing of variants.
            if not is_right(found.get(key, {} if key == "variants" else None)):
                raise ValueError(f"its manifest has no {key!r}, or one of another form")
        for name, export in found["exports"].items():
            if not _is_export(export):
                raise ValueError(f"its manifest does not describe the export {name!r}")
        members = {name: Member(*entry) for name, entry in found.pop("members").items()}
        weights = {n: (dtype, tuple(shape)) for n, (dtype, shape) in found.pop("weights").items()}
        manifest = cls(found, members, weights)
        if manifest.weight_bytes > sum(member.nbytes for member in members.values()):
            raise ValueError("its manifest lists more weights than it has")
        return manifest


# -- JSON ------------------------------------------------------------------------------------


def json_bytes(data: Any) -> bytes:
    """Data as JSON, the same bytes for the same data."""
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def parse_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8, read as the standard has it (RFC 8259).

    Raises:
        ValueError: another text: also one with NaN, with a key twice, nested too deeply, with
            numbers of thousands of digits, or with characters that are none.
    """
    text = data.decode()
    try:
        value = json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    if "\\u" in text:
        # Halves of surrogate pairs can be escaped, but are no characters.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is twice in an object of its JSON")
    return found


# -- forms -----------------------------------------------------------------------------------


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _is_bytes(value: Any) -> bool:
    """Peaks may be those of dims that no machine has memory for."""
    return type(value) is int and 0 <= value < 1 << 512


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_table(value: Any, is_entry: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(map(is_entry, value.values()))


def _is_member(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and _is_count(value[0])
        and isinstance(value[1], str)
    )


def _is_weight(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and value[0] in _DTYPES
        and isinstance(value[1], list)
        and all(map(_is_count, value[1]))
    )


def _is_dim(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and all(map(_is_count, value[1:]))
    )


def _is_export(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("doc"), str)
        and isinstance(value.get("inputs"), list)
        and all(_is_texts(pair) and len(pair) == 2 for pair in value["inputs"])
        and _is_texts(value.get("results"))
        and _is_texts(value.get("state"))
        and _is_table(value.get("dims"), _is_dim)
    )


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_bytes, value))


def _are_variants(value: Any) -> bool:
    return _is_table(value, lambda ranges: isinstance(ranges, list) and all(map(_is_range, ranges)))


_FORMS: Mapping[str, Callable[[Any], bool]] = {
    "doc": lambda value: isinstance(value, str),
    "exports": lambda value: isinstance(value, dict),
    "memory": lambda value: _is_table(value, _is_bytes),
    "members": lambda value: _is_table(value, _is_member),
    "options": lambda value: isinstance(value, dict),
    "variants": lambda value: _is_table(value, _are_variants),
    "weights": lambda value: _is_table(value, _is_weight),
}
