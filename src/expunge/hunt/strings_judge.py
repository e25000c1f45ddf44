"""Decides what a hit is worth: *found*, *review*, or nothing. Thresholds and their reasons are in ``strings_bits``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt import strings_bits as bits_of
from expunge.hunt.prints import Tier
from expunge.hunt.strings_fields import fits, names_before
from expunge.hunt.strings_forms import Form
from expunge.hunt.strings_layout import FORM, RAW, WEAK
from expunge.hunt.strings_tables import Prints

BEFORE = 600
"""Bytes before a value in which its field's name is looked for: a list of numbers may stand between."""

GAP = 3
"""Most bytes between two groups of one identifier: ``(415) 555-1234`` has two."""

_LONGEST_ESCAPE = 12
"""Bytes that one character may be written with: ``\\ud83d\\ude00``."""

_WIDE_GAP = re.compile(rb"[^0-9A-Za-z\x80-\xff]{%d}" % (GAP + 1))

Told: TypeAlias = tuple[Tier, float, str] | None


class Seen(NamedTuple):
    """Something seen, in the positions of what was looked at. A tuple, because making one takes a fifth of a dataclass's time."""

    start: int
    end: int
    print: int
    tier: Tier
    strength: float
    form: str

    def moved(self, base: int, source: npt.NDArray[np.int32]) -> Seen:
        """From positions in decoded bytes to those of the bytes that they stand for."""
        behind = int(source[self.end - 1]) + 1
        if self.end < len(source):
            behind = max(behind, min(int(source[self.end]), behind + _LONGEST_ESCAPE))
        return self._replace(start=base + int(source[self.start]), end=base + behind)


@dataclass(frozen=True, slots=True, repr=False)
class View:
    """Bytes in which something was hit; ``column`` is the name of the column whose cells they are, each ended by a line feed."""

    content: npt.NDArray[np.uint8]
    column: str | None = None
    encoded: bool = False

    def before(self, start: int, count: int) -> bytes:
        """Up to so many bytes before ``start``."""
        return self.content[max(start - count, 0) : start].tobytes()

    def after(self, end: int, count: int) -> bytes:
        """Up to so many bytes from ``end``."""
        return self.content[end : end + count].tobytes()

    def is_cell(self, start: int, end: int) -> bool:
        """Whether this is all that its row's cell holds."""
        return self.column is not None and self.before(start, 1) in {b"", b"\n"} and self.after(end, 1) in {b"", b"\n"}


class Judge:
    """Knows what each print tells, and how many needles there are."""

    def __init__(self, prints: Prints, needles: int) -> None:
        """Thresholds rise with the number of needles."""
        self.prints = prints
        told = math.log2(max(needles, 1))
        self.found = max(bits_of.FOUND_LEAST, bits_of.FOUND_MARGIN + told)
        self.review = max(bits_of.REVIEW_LEAST, bits_of.REVIEW_MARGIN + told)
        self.edited = bits_of.edited_least(int(prints.text.sum()))
        self._fits: Callable[[str, int], bool] = lru_cache(maxsize=4096)(lambda name, label: fits(name, prints.labels[label]))

    def weak_column(self, column: str | None) -> bool:
        """Whether a column's name says that weak identifiers may stand in it."""
        return column is not None and any(self._fits(column, label) for label in range(len(self.prints.labels)))

    def number(self, number: int, column: str) -> Told:
        """An integer in a column of numbers."""
        form = self._form(number, Form.NUMBER)
        bits = float(self.prints.bits[number])
        if self._fits(column, int(self.prints.label[number])):
            return Tier.FOUND, 1.0, form
        if bits >= self.found:
            return Tier.FOUND, 0.9, form
        return (Tier.REVIEW, 0.5, form) if bits >= self.review else None

    def text(self, share: float, bits: float) -> Told:
        """A passage, whole (share 1) or edited."""
        if share == 1.0:
            if bits >= bits_of.EXACT_FOUND:
                return Tier.FOUND, 1.0, "text"
            return (Tier.REVIEW, 0.7, "text") if bits >= bits_of.EXACT_REVIEW else None
        if share >= bits_of.EDITED_FOUND_SHARE and bits >= bits_of.EDITED_FOUND:
            return Tier.FOUND, share, "text, edited"
        if share >= bits_of.EDITED_REVIEW_SHARE and bits >= self.edited:
            return Tier.REVIEW, share, "text, edited"
        return None

    def identifier(self, number: int, form: int, kind: int, view: View, at: tuple[int, int]) -> Told:
        """An identifier at ``at`` in ``view``."""
        bits, words = float(self.prints.bits[number]), self._form(number, Form(form))
        if kind == RAW:
            return (Tier.FOUND, 1.0, words) if bits >= bits_of.WEAK else (Tier.REVIEW, 0.4, words)
        mail = bits == bits_of.MAIL and not self.prints.text[number]
        if kind in {FORM, WEAK} and not _is_one(view, at, mail=mail):
            return None
        clean = _is_bordered(view, at, mail=mail)
        name = bool(self.prints.name[number])
        named, sure = self._field(number, view, at) if clean and (bits < self.found or name) else (False, False)
        if name or (kind == WEAK and not named):
            shown = name and clean and (named or bits >= bits_of.NAME_BITS)
            return (Tier.REVIEW, 0.3, words) if shown else None
        if clean and (sure or bits >= self.found):
            return Tier.FOUND, 1.0, words
        shown = (clean and named) or bits >= (self.review if clean else self.found)
        return (Tier.REVIEW, 0.5, words if clean else f"{words}, inside a longer word") if shown else None

    def _form(self, number: int, form: Form) -> str:
        kind = self.prints.labels[int(self.prints.label[number])].partition("\t")[0]
        return f"{kind}, {form.words}"

    def _field(self, number: int, view: View, at: tuple[int, int]) -> tuple[bool, bool]:
        """Whether the field's name fits, and whether it surely is that field's name."""
        label = int(self.prints.label[number])
        if view.column is not None and view.is_cell(*at) and self._fits(view.column, label):
            return True, True
        before = view.before(at[0], BEFORE)
        if view.column is not None:
            before = before[before.rfind(b"\n") + 1 :]
        names, sure = names_before(before)
        named = any(self._fits(name, label) for name in names)
        return named, named and sure


def _is_bordered(view: View, at: tuple[int, int], *, mail: bool) -> bool:
    """Whether the identifier ends where it ends: ``anna@x.de`` in ``joanna@x.de`` or ``anna@x.de.example`` is another."""
    start, end = at
    before, after = view.before(start, 2), view.after(end, 2)
    first, last = view.after(start, 1), view.before(end, 1)
    if _continues(before[-1:], first) or _continues(last, after[:1]):
        return False
    if mail:
        longer = _is_word(before[-1:]) or before[-1:] in {b".", b"+", b"-", b"_"}
        return not longer and not _is_word(after[:1]) and not (after[:1] in {b".", b"-"} and _is_word(after[1:2]))
    return not (first.isdigit() and before[-1:] in {b".", b","} and before[:1].isdigit()) and not (
        last.isdigit() and after[:1] in {b".", b","} and after[1:2].isdigit()
    )


def _is_word(byte: bytes) -> bool:
    return byte.isalnum()


def _continues(left: bytes, right: bytes) -> bool:
    return (left.isdigit() and right.isdigit()) or (left.isalpha() and right.isalpha())


def _is_one(view: View, at: tuple[int, int], *, mail: bool) -> bool:
    """Whether groups of one identifier stand near each other, in one line, and not inside a longer word or number."""
    held = view.content[at[0] : at[1]].tobytes()
    if b"\n" in held or _WIDE_GAP.search(held) or (mail and b"@" not in held):
        return False
    before, after = view.before(at[0], 2), view.after(at[1], 2)
    left = before[-1:] in {b"-", b".", b":", b"/"} and before[:1].isdigit() and held[:1].isdigit()
    right = after[:1] in {b"-", b":", b"/"} and after[1:2].isdigit() and held[-1:].isdigit()
    return not left and not right
