"""Frozen dataclasses ↔ JSON, strictly: the annotation is the schema, and an unknown field or a wrong type
is refused by name. The two dumps differ in one thing only: whether secrets are revealed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union

from appliance.core.model import Secret

T = TypeVar("T")

MAX_DEPTH = 32
MAX_TEXT = 65536
LARGEST = 2**53  # beyond it JSON's numbers are not exact


class Invalid(ValueError):
    """The data do not fit the annotation; the message names the field."""


def dump_private(value: Any) -> Any:
    """Plain JSON data with secrets in clear, for the private file only."""
    return _dump(value, masked=False)


def dump_masked(value: Any) -> Any:
    """Plain JSON data with secrets as asterisks, for every answer, plan and log."""
    return _dump(value, masked=True)


def _dump(value: Any, *, masked: bool) -> Any:
    if isinstance(value, Secret):
        return "****" if masked else value.reveal()
    if isinstance(value, StrEnum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _dump(getattr(value, f.name), masked=masked) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_dump(x, masked=masked) for x in value]
    if isinstance(value, frozenset):
        return sorted((_dump(x, masked=masked) for x in value), key=lambda x: json.dumps(x, sort_keys=True))
    return value


def load(kind: type[T], data: Any, *, newer: bool = False) -> T:
    """Data as `json.loads` returns them → an instance of `kind`. `newer`: whoever wrote them may know fields that we
    do not, which are passed over: an update that is taken back leaves such files behind. Raises Invalid."""
    result: T = _load(kind, data, kind.__name__, 0, newer)
    return result


@cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    hints = typing.get_type_hints(kind)
    return {
        f.name: (hints[f.name], f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING)
        for f in dataclasses.fields(kind)
    }


def _load(kind: Any, data: Any, where: str, depth: int, newer: bool) -> Any:
    if depth > MAX_DEPTH:
        raise Invalid(f"{where}: too deep")
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return _load_union(kind, data, where, depth, newer)
    if origin is tuple:
        return _load_tuple(kind, data, where, depth, newer)
    if origin is frozenset:
        if not isinstance(data, list):
            raise Invalid(f"{where}: a list is needed")
        return frozenset(_load(typing.get_args(kind)[0], x, where, depth + 1, newer) for x in data)
    if dataclasses.is_dataclass(kind):
        return _load_fields(kind, data, where, depth, newer)
    return _load_scalar(kind, data, where)


def _load_union(kind: Any, data: Any, where: str, depth: int, newer: bool) -> Any:
    options = typing.get_args(kind)
    if data is None:
        if type(None) in options:
            return None
        raise Invalid(f"{where}: a value is needed")
    rest = [x for x in options if x is not type(None)]
    if len(rest) != 1:
        raise Invalid(f"{where}: the schema is ambiguous")
    return _load(rest[0], data, where, depth, newer)


def _load_tuple(kind: Any, data: Any, where: str, depth: int, newer: bool) -> Any:
    if not isinstance(data, list):
        raise Invalid(f"{where}: a list is needed")
    args = typing.get_args(kind)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_load(args[0], x, f"{where}[{i}]", depth + 1, newer) for i, x in enumerate(data))
    if len(args) != len(data):
        raise Invalid(f"{where}: {len(args)} values are needed")
    return tuple(
        _load(a, x, f"{where}[{i}]", depth + 1, newer)
        for i, (a, x) in enumerate(zip(args, data, strict=True))
    )


def _load_fields(kind: Any, data: Any, where: str, depth: int, newer: bool) -> Any:
    if not isinstance(data, dict):
        raise Invalid(f"{where}: an object is needed")
    fields = _fields(kind)
    unknown = set(data) - set(fields)
    if unknown and not newer:
        raise Invalid(f"{where}: unknown field {sorted(map(str, unknown))[0][:60]!r}")
    missing = [name for name, (_, required) in fields.items() if required and name not in data]
    if missing:
        raise Invalid(f"{where}: field {missing[0]!r} is missing")
    values = {
        k: _load(fields[k][0], v, f"{where}.{k}", depth + 1, newer) for k, v in data.items() if k in fields
    }
    return kind(**values)


def _load_scalar(kind: Any, data: Any, where: str) -> Any:
    if isinstance(data, bool):
        if kind is bool:
            return data
    elif isinstance(data, int | float):
        if kind is float and abs(data) <= LARGEST:  # no NaN, no infinity, no integer that has no float
            return float(data)
        if kind is int and isinstance(data, int) and abs(data) <= LARGEST:
            return data
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        if isinstance(data, str) and data in kind._value2member_map_:
            return kind(data)
    elif kind in (str, Secret) and isinstance(data, str):
        return kind(_whole(data, where))
    raise Invalid(f"{where}: {getattr(kind, '__name__', kind)} is needed")


def _whole(text: str, where: str) -> str:
    if len(text) > MAX_TEXT:
        raise Invalid(f"{where}: too long")
    if not text.isascii() and any("\ud800" <= x <= "\udfff" for x in text):
        raise Invalid(f"{where}: half a character")  # could be read, but never written again
    return text


def parse_json(text: str | bytes, limit: int) -> Any:
    """JSON text of at most `limit` bytes → data. Deep nesting and bad text raise Invalid."""
    if len(text) > limit:
        raise Invalid("too large")
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Invalid("not JSON") from error


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def digest(text: str) -> str:
    """SHA-256 in hex: whether two texts are the same."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:
    """One text for one value: what gets signed and digested."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
