"""The admission set of one epoch for one purpose, one kind of people and one category: numbers in, a code per record out.

Bits of everybody lie in memory that processes share: 12.5 MB for each of the seven maps at 100 million people. Whoever is refused for no
reason at all is *clear*; their records cost one look at one bit. The others are looked at closely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from expunge.errors_gate import SubjectColumn, UnknownPurpose
from expunge.gate.columns import hashes_of, numbers_in
from expunge.gate.epoch import Epoch, Kind, Term
from expunge.gate.judging import NO_TIME, judge
from expunge.gate.kernel import find
from expunge.gate.keys import Pass
from expunge.gate.tally import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_TIMES = np.empty(0, np.int64)
_NO_ITEMS = np.empty(0, np.uint64)

STONE = np.dtype([("number", "<u4"), ("category", "<u4"), ("before", "<i8"), ("item", "<u8")])
"""A tombstone in the file of stones, which is sorted by number: category 0 is every category, else 1 + its place in the epoch's list;
``before`` in µs since 1970; item 0 is every record, else the hash of what the record is called."""

Numbers = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job has said that its samples are: of which kind, of which category (``None``: it does not say), for which purpose."""

    purpose: str
    kind: str
    category: str | None


class AdmissionSet:
    """One epoch's answer to what was asked. Any number of threads may use it."""

    def __init__(self, epoch: Epoch, asked: Asked, read: Callable[[str], memoryview], held_pass: Pass) -> None:
        """Take the epoch's files, which ``read`` gives verified.

        Raises:
            UnknownPurpose: the purpose is not the policy's, or nothing of the category may be used for it.
            SubjectColumn: the policy has no such kind of people.
            GateClosed, EpochUntrusted: as ``read``.
        """
        self.epoch = epoch
        self.asked = asked
        self.kind = require_kind(epoch, asked.kind)
        self.keep = _keep(epoch, asked)
        self._halves = held_pass.halves(f"kind/{asked.kind}")
        self._table = np.frombuffer(read(self.kind.table), np.uint64)
        self._known, self._stoned, self._hidden, self._held = (
            np.frombuffer(read(name), np.uint8) for name in (self.kind.known, "stoned", "hidden", "held")
        )
        plain, template = epoch.purposes[asked.purpose], epoch.template[asked.purpose]
        is_template = asked.category is not None and any(_covers(one, asked.category) for one in epoch.templates)
        holds_template = asked.category is None or any(_covers(asked.category, one) for one in epoch.templates)
        self._agreed = np.frombuffer(read(template if is_template else plain), np.uint8)
        self._template = np.frombuffer(read(template), np.uint8) if holds_template else self._agreed
        self._clear = self._known & self._agreed & self._template & ~(self._stoned | self._hidden | self._held)
        stones = np.frombuffer(read("stones"), STONE)
        self._whose, self._before, self._items = (np.ascontiguousarray(stones[name]) for name in ("number", "before", "item"))
        self._covers = _covering(epoch, asked.category)[stones["category"]]

    @property
    def clear(self) -> int:
        """How many people are refused for no reason at all."""
        return int(np.bitwise_count(self._clear).sum())

    def numbers(self, column: Any, name: str, *, dense: bool = False) -> Numbers:
        """The registry number of each record's subject, 0 for one whom the epoch does not know.

        Raises:
            SubjectColumn: the column's type can't be that of these people's keys.
            Unattributed: a record names nobody.
        """
        if dense:
            return numbers_in(column, name)
        hashes = hashes_of(column, self._halves, integers=self.kind.integers, name=name)
        out = np.empty(hashes.size, np.uint32)
        find(self._table, np.uint64(self.kind.bits), hashes, out)
        return out

    def stoned(self, numbers: Numbers) -> npt.NDArray[np.intp]:
        """The places of records whose subject has a tombstone: only of these it matters what they are called."""
        inside = np.minimum(numbers, np.uint32(self.epoch.limit - 1))
        return np.flatnonzero((self._stoned[inside >> 3] >> (inside & 7)) & 1)

    def judge(
        self,
        numbers: Numbers,
        now: datetime,
        captured: npt.NDArray[np.int64] | None = None,
        items: npt.NDArray[np.uint64] | None = None,
    ) -> tuple[npt.NDArray[np.uint8], Mapping[Reason, int]]:
        """A code per record (0: admitted; the place in ``Reason``), and how many records have which."""
        codes = np.empty(numbers.size, np.uint8)
        counts = np.zeros(len(Reason), np.int64)
        ends = (now - self.keep - _EPOCH) // _MICROSECOND if self.keep is not None and captured is not None else NO_TIME
        judge(
            numbers,
            _NO_TIMES if captured is None else captured,
            _NO_ITEMS if items is None else items,
            np.int64(ends),
            self.epoch.limit,
            self._clear,
            self._known,
            self._stoned,
            self._hidden,
            self._held,
            self._agreed,
            self._template,
            self._whose,
            self._covers,
            self._before,
            self._items,
            codes,
            counts,
        )
        return codes, {reason: int(count) for reason, count in zip(Reason, counts, strict=True) if count}


def kind_of(epoch: Epoch, kind: str | None, column: str) -> str:
    """The kind whose keys a column holds: the one named, else the one whose key the column is called after, else the only one.

    Raises:
        SubjectColumn: it is not clear.
    """
    if kind is not None:
        return kind
    named = [name for name, one in epoch.kinds.items() if one.key == column]
    found = named or list(epoch.kinds)
    if len(found) == 1:
        return found[0]
    raise SubjectColumn(f"it is not clear whose keys {column!r} holds; say kind= one of {', '.join(epoch.kinds)}")


def require_kind(epoch: Epoch, kind: str) -> Kind:
    """The kind of this name.

    Raises:
        SubjectColumn: the policy has none.
    """
    if kind not in epoch.kinds:
        raise SubjectColumn(f"the policy has no people of kind {kind!r}; it has {', '.join(epoch.kinds)}")
    return epoch.kinds[kind]


def require_purpose(epoch: Epoch, purpose: str) -> None:
    """Refuse a purpose that the epoch says nothing about.

    Raises:
        UnknownPurpose: it does not.
    """
    if purpose not in epoch.purposes:
        raise UnknownPurpose(f"the policy has no purpose {purpose!r}; it has {', '.join(epoch.purposes)}")


def _keep(epoch: Epoch, asked: Asked) -> timedelta | None:
    """How long after its capture a record may be used; of equally narrow terms, and where no category is named, the shortest counts."""
    require_purpose(epoch, asked.purpose)
    terms = [one for one in epoch.terms if (one.kind, one.purpose) == (asked.kind, asked.purpose)]
    if asked.category is not None:
        terms = [one for one in terms if _covers(one.category, asked.category)]
        narrow = max((one.category.count(".") for one in terms), default=0)
        terms = [one for one in terms if one.category.count(".") == narrow]
    if not terms:
        what = "nothing" if asked.category is None else f"no {asked.category}"
        raise UnknownPurpose(f"the policy has no term that allows it: {what} of a {asked.kind} is kept for {asked.purpose!r}")
    return _shortest(terms)


def _shortest(terms: list[Term]) -> timedelta | None:
    ends = [one.keep for one in terms if one.keep is not None]
    return timedelta(seconds=min(ends)) if ends else None


def _covering(epoch: Epoch, category: str | None) -> npt.NDArray[np.uint8]:
    """By a stone's category, whether it speaks of samples of this one; of samples of an unknown one, every stone does."""
    return np.array([1, *(category is None or _covers(one, category) for one in epoch.categories)], np.uint8)


def _covers(above: str, category: str) -> bool:
    return f"{category}.".startswith(f"{above}.")
