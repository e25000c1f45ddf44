"""Canonical JSON (RFC 8785), and a reader that accepts nothing else.

What is signed is bytes. If two texts could mean one statement, a byte could be changed without being noticed; so there is one text.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import NoReturn

import rfc8785

from expunge.errors import BadProof
from expunge.terms import Json

_SAFE = 2**53
"""Integers from here on have no exact double (RFC 8785, 3.2.2.3 by way of I-JSON)."""


def canonical(value: Json) -> bytes:
    """The one text of a JSON value (RFC 8785), UTF-8.

    Raises:
        BadProof: no such text: a number beyond 2**53 or not finite, a lone surrogate, a key that is not text, or nested too deeply.
    """
    try:
        if _plain(value):
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        raise BadProof("a statement has no canonical form: use text for numbers beyond 2**53, and valid Unicode") from None


def _plain(value: Json) -> bool:
    """Whether ``json`` writes this value as RFC 8785 does, four times as fast: no float, no large number, only ASCII names.

    Both escape quotes, backslashes and control characters alike (RFC 8785, 3.2.2.2); ASCII names sort alike in UTF-16 and in code points.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -_SAFE < value < _SAFE  # type: ignore[operator]  # an int
    if kind is dict:
        return all(type(name) is str and name.isascii() and _plain(one) for name, one in value.items())  # type: ignore[union-attr]  # a dict
    return kind is list and all(map(_plain, value))  # type: ignore[arg-type]  # a list


def parse_exact(raw: bytes) -> Json:
    """Read JSON whose bytes are already canonical.

    Raises:
        BadProof: not JSON, or any other text of the same value: blanks, another key order, a key twice, ``1.0``, a final newline.
    """
    try:
        value: Json = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadProof("not valid JSON in UTF-8") from None
    if canonical(value) != raw:
        raise BadProof("not in canonical form (RFC 8785), byte for byte")
    return value


def parse_object(raw: bytes) -> dict[str, Json]:
    """``parse_exact``, and it must be an object.

    Raises:
        BadProof: as ``parse_exact``, or another kind of value.
    """
    value = parse_exact(raw)
    if not isinstance(value, dict):
        raise BadProof("not a JSON object")
    return value


def encode_base64(raw: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(raw).decode("ascii")


def decode_base64(text: Json) -> bytes:
    """Read standard base64 that is canonical: padding present, unused bits zero, nothing else in it.

    Raises:
        BadProof: anything else.
    """
    if not isinstance(text, str):
        raise BadProof("not base64 text")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadProof("not valid base64") from None
    if encode_base64(raw) != text:
        raise BadProof("not canonical base64")
    return raw


def _refuse_constant(_: str) -> NoReturn:
    msg = "NaN and Infinity are not JSON"
    raise ValueError(msg)
