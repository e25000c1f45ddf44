"""The families, by name, each loaded when it is first needed; and all matchers of a run as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import cast

from expunge.errors import MissingExtra
from expunge.hunt.pieces import Piece, Place, Unread
from expunge.hunt.prints import Family, Matcher, Sighting

FAMILIES: Mapping[str, tuple[str, str]] = {
    # name: (module, class)
    "strings": ("expunge.hunt.strings", "Strings"),
    "bytes": ("expunge.hunt.chunks", "Bytes"),
    "audio": ("expunge.hunt.audio", "Audio"),
    "video": ("expunge.hunt.video", "Video"),
    "vectors": ("expunge.hunt.vectors", "Vectors"),
    "tracks": ("expunge.hunt.tracks", "Tracks"),
}


def family(name: str) -> Family:
    """A family.

    Raises:
        MissingExtra: a library that it needs is not installed.
    """
    module, kind = FAMILIES[name]
    try:
        made = getattr(import_module(module), kind)()
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        raise MissingExtra(f"hunting needs {missing.name}: pip install 'expunge[hunt]'", where=name) from None
    return cast("Family", made)


class Matchers:
    """The matchers of all families that have prints, asked one after the other about the same piece."""

    def __init__(self, prints: Mapping[str, Iterable[bytes]]) -> None:
        """Make them of each family's pages.

        Raises:
            MissingExtra: a library is not installed.
        """
        self._matchers: Sequence[Matcher] = [family(name).matcher(pages) for name, pages in prints.items()]

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """What any family sees in the piece."""
        for matcher in self._matchers:
            yield from matcher.look(piece)

    def close(self, place: Place) -> Iterator[Sighting]:
        """The place has ended."""
        for matcher in self._matchers:
            yield from matcher.close(place)

    def unread(self) -> list[Unread]:
        """What a family could not decode since this was last asked: a recording is opened by the family that knows it, not by a reader."""
        told: list[Unread] = []
        for matcher in self._matchers:
            held: list[Unread] = getattr(matcher, "unread", [])
            told += held
            held.clear()
        return told
