"""The family that knows identifiers and text: role KEY and role TEXT.

What it keeps of a trace is hashes (``strings_needles``): of the identifier in each of its written forms, of the words of a text. What it
looks at is folded and decoded, instead of multiplying the needles by their escapes: one sweep over the bytes as they are, another over
what percent, JSON, HTML and quoted-printable escapes, hexadecimal, base64 and UTF-16 stand for, where such are seen (``strings_decode``).
Method and figures: docs/adr/0010-one-sweep-for-identifiers-and-text.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType

from expunge.errors import MissingExtra
from expunge.hunt.prints import Kind, Matcher, Trace


class Strings:
    """Identifiers and text. Sightings are of kind IDENTIFIER or TEXT; ``kind`` is the family's first."""

    @property
    def kind(self) -> Kind:
        """IDENTIFIER; sightings of text say TEXT."""
        return Kind.IDENTIFIER

    def take(self, traces: Iterable[Trace]) -> Iterator[bytes]:
        """Pages of hashes of the KEY and TEXT traces; some hundred bytes for each.

        Raises:
            MissingExtra: Numba is not installed.
        """
        yield from _part("strings_needles").take(traces)

    def matcher(self, pages: Iterable[bytes]) -> Matcher:
        """A matcher for these pages; about 1 s and 50 MB for each 100,000 needles.

        Raises:
            MissingExtra: Numba is not installed.
            ValueError: a page is not one of this family's.
        """
        matcher: Matcher = _part("strings_search").Search(pages)
        return matcher


def _part(name: str) -> ModuleType:
    try:
        return import_module(f"expunge.hunt.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        msg = f"the hunt for identifiers and text needs {missing.name}: pip install 'expunge[hunt]'"
        raise MissingExtra(msg, where="hunt") from None
