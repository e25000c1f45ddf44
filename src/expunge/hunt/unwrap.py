"""Opens what lies in what: one outermost stream becomes the pieces of everything inside it, within limits, and an account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from expunge.hunt.formats import FORMATS, Known
from expunge.hunt.pieces import Account, Piece, Place
from expunge.hunt.reading import Limits


@dataclass(frozen=True, slots=True)
class Ended:
    """No more pieces of this place will come: matchers that are asked to ``close`` it may tell what only shows over many.

    It comes once for each place that gave a piece with windows or rows, after the places inside it.
    """

    place: Place


def unwrap(
    file: BinaryIO, place: Place, *, size: int | None, limits: Limits, account: Account, formats: Sequence[Known] = FORMATS
) -> Iterator[Piece | Ended]:
    """The pieces of a stream and of all that lies in it; what can't be read is told in ``account``.

    ``file`` stands at its beginning; it is read once where it can't be sought. The caller closes it. A piece is valid until the next is
    asked for. ``size`` is in bytes, ``None`` if it isn't known.
    """
    raise NotImplementedError
