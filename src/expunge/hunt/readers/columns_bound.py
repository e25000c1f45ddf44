"""A bound for what comes out as rows, as the engine has one for what comes out as bytes.

A run-length code of a few bytes can stand for a billion rows; each is cheap, and together they would hold up everything else.
"""

from __future__ import annotations

import functools
import io
import math
import time
from collections.abc import Callable

from expunge.hunt.pieces import Rows, Texts, Unread, Why
from expunge.hunt.reading import Opened, Reading


def bounded(read: Callable[[Opened], Reading]) -> Callable[[Opened], Reading]:
    """``read``, ended and told when its rows exceed ``Limits.expansion`` or ``Limits.seconds``."""

    @functools.wraps(read)
    def within(opened: Opened) -> Reading:
        limits, end = opened.limits, time.monotonic() + opened.limits.seconds
        left = max(limits.expansion_free, limits.expansion * _size(opened))
        for piece in read(opened):
            yield piece
            if isinstance(piece, Rows):
                left -= _bytes(piece)
                if left < 0:
                    opened.account.unread.append(
                        Unread(opened.place, Why.TOO_LARGE, note=f"rows of more than {limits.expansion} times its size")
                    )
                    return
            if time.monotonic() > end:
                opened.account.unread.append(Unread(opened.place, Why.TOO_SLOW, note=f"more than {limits.seconds:g} s"))
                return

    return within


def _size(opened: Opened) -> float:
    """The stream's size; without end if it isn't known and can't be sought (the engine then counts what is read of it)."""
    if opened.size is not None:
        return opened.size
    if not opened.seekable:
        return math.inf
    at = opened.file.tell()
    size = opened.file.seek(0, io.SEEK_END)
    opened.file.seek(at)
    return size


def _bytes(rows: Rows) -> int:
    return sum(one.buffer.nbytes + one.offsets.nbytes if isinstance(one, Texts) else one.values.nbytes for one in rows.columns.values())
