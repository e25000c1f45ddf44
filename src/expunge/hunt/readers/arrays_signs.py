"""How files of arrays and models are recognised; without what reads them, so that asking costs nothing."""

from __future__ import annotations

import re

_HEADER = 100_000_000  # bytes: safetensors' own limit
_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8

_OLD = re.compile(
    rb"\((?:dp|lp|tp?|ip?)\d*\n|[\]})]q[\x00\x01]|[\]}](?:\(|\.)|c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n|\(c[A-Za-z_][\w.]*\n|[\]}]\x94"
)
_STARTS = re.compile(rb"\x80[\x02-\x05](?:\x95.{6}\x00\x00|[\]}()cKJMNGXUTCB\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x96.])", re.DOTALL)
_NAMES = (".pkl", ".pickle", ".p", ".pck", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth")
_BEGINNINGS = frozenset(b"(]})cIFLVSNGJKMXUT")  # of pickles of protocol 0 and 1


def is_pickle(head: bytes, name: str) -> bool:
    """A pickle of protocol 2 to 5 by its first opcodes; of 0 or 1, which has no magic, only if its beginning or its name says so."""
    if head[:1] == b"\x80":
        return _STARTS.match(head) is not None
    if head[:1] and head[0] not in _BEGINNINGS:
        return False
    return _OLD.match(head) is not None or (name.endswith(_NAMES) and b"." in head[-64:])


def is_safetensors(head: bytes, name: str) -> bool:
    """The length of a header that begins as JSON."""
    if head[8:9] != b"{":
        return False
    length = int.from_bytes(head[:8], "little")
    named = name.endswith(".safetensors") or b'"data_offsets"' in head or b'"__metadata__"' in head
    return named and 2 <= length <= _HEADER  # noqa: PLR2004 # "{}"


def is_records(head: bytes, _name: str) -> bool:
    """TFRecord: a length with its checksum; one file in four thousand million begins so by chance."""
    return len(head) >= 16 and head[5:8] == bytes(3) and masked(head[:8]) == int.from_bytes(head[8:12], "little")  # noqa: PLR2004 # head and tail


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_CRC = _table()


def masked(raw: bytes) -> int:
    """CRC-32C (RFC 3720, B.4), turned and shifted as TensorFlow writes it."""
    value = 0xFFFFFFFF
    for byte in raw:
        value = value >> 8 ^ _CRC[(value ^ byte) & 255]
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + _MASK) & 0xFFFFFFFF
