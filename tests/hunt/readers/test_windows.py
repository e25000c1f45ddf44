"""Windows: their buffers are used again, but never under somebody who still looks at one."""

from __future__ import annotations

import io

from expunge.hunt.pieces import WINDOW
from expunge.hunt.reading import Limits
from expunge.hunt.spool import Meter
from expunge.hunt.windows import Tap, Window


def windows(byte: int, count: int) -> list[Window]:
    """All windows of a stream of one byte, kept."""
    content = io.BytesIO(bytes([byte]) * (count * WINDOW))
    return list(Tap(content, Meter(Limits(), None), lambda _count: None).rest())


def test_a_kept_window_keeps_its_bytes() -> None:
    kept = windows(1, 3)
    windows(2, 3)
    windows(3, 1)
    assert [set(bytes(one.data)) for one in kept] == [{1}] * 3


def test_a_window_that_is_gone_gives_its_buffer_to_the_next() -> None:
    kept = windows(1, 1)
    (one,) = kept
    where = id(one.data.obj.base)  # type: ignore[attr-defined]  # the array that was lent
    del one, kept
    again = windows(2, 1)
    assert id(again[0].data.obj.base) == where  # type: ignore[attr-defined]  # the same
