"""Canonical JSON and digests: one value, one sequence of bytes.

RFC 8785, except that integers beyond ±2⁵³ are written in full. The standard library's encoder gives the same
bytes where there is no float and no key outside the Basic Multilingual Plane, and is ten times faster;
the rest takes `rfc8785`'s number formatting. NaN, infinity, keys that are not text, NUL and lone surrogates
are refused with their path, because the two databases and other languages disagree about them.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import rfc8785

from hitl.exceptions import NotCanonical, TooLarge

MAX_DEPTH = 64

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode


def canonical(value: Any, *, what: str = "value", limit: int | None = None) -> bytes:
    """The canonical bytes of a JSON value (dict, list, tuple, str, int, float, bool, None).

    `what` names the value in messages. Raises NotCanonical with the path of the first part that is not
    allowed, TooLarge when there are more than `limit` bytes.
    """
    plain = not _check(value, what, 0)
    try:
        data = (_encode(value) if plain else _slow(value)).encode()
    except ValueError as error:  # an integer longer than Python writes out
        raise NotCanonical(f"{what} cannot be written as JSON: {error}") from error
    if limit is not None and len(data) > limit:
        raise TooLarge(f"{what} has {len(data)} bytes; {limit} are allowed", size=len(data), limit=limit)
    return data


def digest(tag: str, data: bytes) -> str:
    """SHA-256 in hex over a domain tag and canonical bytes: equal bytes under two tags never collide."""
    return hashlib.sha256(tag.encode() + b"\n" + data).hexdigest()


def parse(data: bytes | str, *, what: str = "value") -> Any:
    """Read JSON strictly: duplicate keys, NaN and infinity are errors, and so is what `canonical` refuses."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"{what} is not JSON: {error}") from error
    _check(value, what, 0)
    return value


def _check(value: Any, path: str, depth: int) -> bool:
    """Refuse what is not canonical; return whether the slow encoder is needed."""
    kind = type(value)
    if kind is str:
        _check_text(value, path)
        return False
    if kind is dict:
        return _check_dict(value, path, depth + 1)
    if kind is list or kind is tuple:
        _check_depth(path, depth + 1)
        return any([_check(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)])
    if kind is float:
        if not math.isfinite(value):
            raise NotCanonical(f"{path} is {value}: JSON has no such number")
        return True
    if kind is int or kind is bool or value is None:
        return False
    if isinstance(value, dict):
        return _check_dict(value, path, depth + 1)
    raise NotCanonical(f"{path} is a {kind.__name__}: only dict, list, str, int, float, bool and None are JSON")


def _check_dict(value: dict[Any, Any], path: str, depth: int) -> bool:
    _check_depth(path, depth)
    slow = False
    for key, item in value.items():
        if type(key) is not str:
            raise NotCanonical(f"{path} has the key {key!r}: keys must be text")
        _check_text(key, f"{path}, key {key!r}")
        # Python sorts by code point, RFC 8785 by UTF-16 unit: they differ only beyond the first plane.
        slow = _check(item, f"{path}.{key}", depth) or slow or (not key.isascii() and max(key) > "\uffff")
    return slow


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotCanonical(f"{path[:200]} is nested deeper than {MAX_DEPTH} levels")


def _check_text(text: str, path: str) -> None:
    if text.isascii():
        if "\0" in text:
            raise NotCanonical(f"{path} holds a NUL character")
        return
    if "\0" in text:
        raise NotCanonical(f"{path} holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical(f"{path} holds a lone surrogate at {error.start}") from error


def _slow(value: Any) -> str:
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_encode(key)}:{_slow(item)}" for key, item in items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_slow, value)) + "]"
    if isinstance(value, float):
        return rfc8785.dumps(value).decode()
    return _encode(value)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotCanonical(f"the key {twice!r} stands twice in one object")
    return result


def _no_constant(name: str) -> Any:
    raise NotCanonical(f"{name} is not JSON")
