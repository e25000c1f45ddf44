"""Decodes runs of base64 and hex, short ones at once and long ones as their windows come."""

from __future__ import annotations

import binascii

import numpy as np

from expunge.hunt.pieces import Why
from expunge.hunt.readers.encodings_kernel import Bytes
from expunge.hunt.readers.runs_kernel import VARIED, shifts
from expunge.hunt.readers.signs import known_binary, textlike
from expunge.hunt.spool import Exceeded, Meter, Slice, Spool

_HEX = frozenset(b"0123456789abcdefABCDEF")
_BREAKS = b"\r\n\t "
_URL = bytes.maketrans(b"-_", b"+/")


def compact(text: bytes) -> bytes:
    """A run without line ends, indents, and the escapes of either."""
    if b"\\" in text:
        text = text.replace(b"\\/", b"/").replace(b"\\n", b"").replace(b"\\r", b"")
    return text.translate(None, _BREAKS)


def is_hex(text: bytes) -> bool:
    """Whether a run, after the ``x`` or ``0x`` that SQL and C put before it, begins in hex."""
    return _HEX.issuperset(text[:256])


def bare(text: bytes) -> bytes:
    """A run without ``x`` or ``0x`` before hex."""
    for before in (b"x", b"X", b"0x"):
        if text.startswith(before) and is_hex(text[len(before) :]):
            return text[len(before) :]
    return text


def shift(text: bytes) -> int:
    """How many characters stand before the base64 itself: a run may begin with the end of something else (``key/AAAA``)."""
    return next((skip for skip in range(4) if _evident(text[skip:])), 0)


def _evident(text: bytes) -> bool:
    """Whether base64 that begins here begins as a known file does, or is text."""
    begin = from_base64(text[:256])
    return known_binary(begin) or textlike(begin)


def from_base64(text: bytes) -> bytes:
    """As much as is whole."""
    text = text.translate(_URL)
    rest = len(text) % 4
    whole = text + b"=" * (4 - rest) if rest > 1 else text[: len(text) - rest]
    return binascii.a2b_base64(whole)


def from_hex(text: bytes) -> bytes:
    """As much as is whole, up to the first character that is no digit."""
    end = len(text) - len(text.lstrip(b"0123456789abcdefABCDEF"))
    return binascii.a2b_hex(text[: end - end % 2])


def decoded(data: Bytes, begin: int, end: int, pairs: Bytes) -> list[tuple[str, int, bytes]]:
    """What a whole run in ``data`` may hold: the encoding's name, the letters passed over, and the content; nothing if it is none.

    ``pairs`` marks the first two bytes of known content.
    """
    text = bare(compact(data[begin:end].tobytes()))
    if len(set(text[:4096])) < VARIED:
        return []
    if is_hex(text):
        return [("hex", 0, from_hex(text))]
    letters = np.frombuffer(text, dtype=np.uint8)
    tried = shifts(data, begin, end, letters, pairs, np.empty(256, dtype=np.uint8))
    skips = [skip for skip in range(4) if tried >> skip & 1]
    evident = [skip for skip in skips if _evident(text[skip:])]
    return [("base64", skip, from_base64(text[skip:])) for skip in (sorted({*evident, skips[0]}) if evident else skips)]


class Run:
    """A run that goes on over windows. ``offset`` is where it begins, ``line`` how long its present line is, ``size`` what it holds."""

    def __init__(self, meter: Meter, offset: int) -> None:
        """Nothing is decoded yet; ``close`` gives the space back."""
        self._spool = Spool(meter)
        self._meter = meter
        self._head = b""
        self._rest = b""
        self._begun = False
        self.offset = offset
        self.line = 0
        self.name = ""

    @property
    def size(self) -> int:
        """Bytes decoded so far."""
        return self._spool.size

    def add(self, text: bytes, *, line: int) -> None:
        """The characters that come next."""
        self.line = line
        self._rest += text
        if len(self._rest) > 1 << 14:
            self._decode(last=False)

    def _decode(self, *, last: bool) -> None:
        ready, self._rest = self._rest, b""
        if not last and (cut := max(ready.rfind(b"\\", -4), -1)) >= 0:  # an escape that the edge may cut
            ready, self._rest = ready[:cut], ready[cut:]
        text = compact(ready)
        if not self._begun:
            self._begun = True
            text = bare(text)
            varied = len(set(text)) >= VARIED
            self.name = "" if not varied else "hex" if is_hex(text) else "base64"
            text = text[shift(text) :] if self.name == "base64" else text
        text = self._head + text
        cut = 0 if last else len(text) % 4
        text, self._head = text[: len(text) - cut], text[len(text) - cut :]
        if self.name:
            content = from_hex(text) if self.name == "hex" else from_base64(text)
            self._meter.inner(len(content))
            if not self._spool.add(content):
                raise Exceeded(Why.TOO_LARGE, "no temporary space left")

    def file(self) -> Slice:
        """What was decoded."""
        if self._rest or self._head:
            self._decode(last=True)
        return self._spool.slice()

    def close(self) -> None:
        """Give the space back."""
        self._spool.close()
