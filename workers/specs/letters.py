"""Specs and observations as bytes: what each side seals with the host's key."""

import dataclasses
import functools
import json
import types
import typing
import zlib

MAX_BYTES = 64 * 1024 * 1024  # of unpacked JSON: a table of 100,000 ports is half of it


def dump(value):
    """The JSON-ready form of a spec or an observation. (`dataclasses.asdict` copies what never
    changes: of a table of 1,000 ports it takes four times as long.)"""
    if dataclasses.is_dataclass(value):
        return {name: dump(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, tuple | list):
        return tuple(dump(each) for each in value)
    return value


def load(kind: type, data):
    """The inverse of `dump`. Raises ValueError for a key that is missing, unknown or of the
    wrong type, so that a spec is understood whole or not at all."""
    if isinstance(kind, types.UnionType):
        if data is None:
            return None
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if dataclasses.is_dataclass(kind):
        return _load_dataclass(kind, data)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(data, list | tuple):
        if inner[-1] is Ellipsis:
            return tuple(load(inner[0], each) for each in data)
        return tuple(load(each, value) for each, value in zip(inner, data, strict=True))
    if origin is dict and isinstance(data, dict):
        return dict(data)
    if isinstance(data, bool) is not (kind is bool) or not isinstance(data, origin or kind):
        raise ValueError(f"{data!r} is no {kind}")
    return data


def _load_dataclass(kind: type, data):
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__} is an object, not {type(data).__name__}")
    hints = _hints(kind)
    if unknown := data.keys() - hints.keys():
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: load(hints[name], value) for name, value in data.items()})
    except TypeError as error:
        raise ValueError(str(error)) from None


@functools.cache
def _hints(kind: type) -> dict[str, type]:
    """The types of its fields. To work them out takes longer than to read a spec."""
    return typing.get_type_hints(kind)


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    """Of the fields of a dataclass."""
    return tuple(field.name for field in dataclasses.fields(kind))


def pack(message: dict) -> bytes:
    """JSON, compressed with zlib: a firewall of 1,000 ports is 144 KB of it."""
    return zlib.compress(json.dumps(message, separators=(",", ":")).encode())


def unpack(packed: bytes) -> dict:
    """The inverse of `pack`. Raises ValueError when it is not that, or larger than MAX_BYTES."""
    try:
        inflater = zlib.decompressobj()
        plain = inflater.decompress(packed, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"not a packed message: {error}") from None
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError("a packed message is cut short or too long")
    return json.loads(plain)
