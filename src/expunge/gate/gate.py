"""The gate as a training job holds it: wrappers that pass on what is admitted, on an epoch that is looked at again between batches.

It fails closed. An epoch that is too old, a column that is not there, a record that names nobody: each is an error, and nothing is let
through. Every batch is judged whole, under an epoch that is fresh after the judging.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from expunge.errors_gate import EpochUntrusted, GateClosed, NotEnrolled, StaleEpoch, SubjectColumn
from expunge.gate.admission import AdmissionSet, Asked, kind_of, require_kind, require_purpose
from expunge.gate.columns import as_column, column_of, hashes_of, texts_of, times_of
from expunge.gate.epoch import Epoch
from expunge.gate.files import map_file, read_note
from expunge.gate.keys import Pass
from expunge.gate.tally import Reason, Tally
from expunge.gate.views import AdmittedView, Passing
from expunge.ports import Clock

Sample = TypeVar("Sample")

AT_ONCE = 1_024
"""Samples of a plain iterator that are judged together: a batch costs 60 µs whatever its size, 0.06 µs a sample here."""

_TRIES = 3
"""An epoch may be replaced between reading its note and its files; three times in a row it is not."""


class _System:
    """The clock, where none is given."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Item:
    """How records are called: the collection's address in the policy and the column with the record's key in it."""

    collection: str
    column: str


class Gate:
    """Admission for one purpose. One gate is used by one thread; forked loaders' workers each go on with their own copy."""

    def __init__(
        self,
        folder: Path,
        held_pass: Pass,
        purpose: str,
        *,
        kind: str | None,
        category: str | None,
        dense: bool,
        stale_after: timedelta,
        refresh_every: timedelta,
        unknown: Literal["stop", "refuse"],
        logging_only: bool,
        clock: Clock | None,
    ) -> None:
        """Use ``gate.open``, which explains what it takes."""
        self.purpose = purpose
        self.tally = Tally(logging_only)
        self._folder = folder
        self._pass = held_pass
        self._said_kind = kind
        self._category = category
        self._dense = dense
        self._bound = stale_after
        self._every = refresh_every
        self._stops = unknown == "stop"
        self._clock = clock or _System()
        self._files: dict[str, memoryview] = {}
        self.epoch = self._newest()
        require_purpose(self.epoch, purpose)
        self._looked = self._clock.now()
        self._require_fresh()
        self._sets: dict[str, AdmissionSet] = {}
        only = kind if kind is not None else next(iter(self.epoch.kinds)) if len(self.epoch.kinds) == 1 else None
        if only is not None:
            self._renew({only})

    def batches(self, batches: Iterable[Any], *, subject: str, captured: str | None = None, item: Item | None = None) -> Iterator[Any]:
        """Record batches (or tables: a ``pyarrow.dataset`` scanner's, Parquet's, Delta's), each with its admitted rows only.

        ``subject`` is the column of people's keys, ``captured`` that of the times of capture, ``item`` how the records are called. A batch
        of which nothing is left is passed over; one of which nothing is refused is passed on as it is, without a copy.

        Raises:
            StaleEpoch, EpochUntrusted: no epoch can be relied on any more.
            SubjectColumn, Unattributed, NotEnrolled, UnknownPurpose: as the batch is.
        """
        for batch in batches:
            mask = self.mask(batch, subject=subject, captured=captured, item=item)
            if mask.all():
                yield batch
            elif mask.any():
                yield batch.filter(pa.array(mask))

    def mask(self, batch: Any, *, subject: str, captured: str | None = None, item: Item | None = None) -> npt.NDArray[np.bool_]:
        """Which rows of a record batch or table are admitted, for loaders that copy rows anyway.

        Raises:
            GateError: as ``batches``.
        """
        times = None if captured is None else times_of(column_of(batch, captured), captured)
        named = None if item is None else (item.collection, column_of(batch, item.column))
        admitted: npt.NDArray[np.bool_] = self._judge(column_of(batch, subject), subject, times, named) == 0
        return admitted

    def places(self, batch: Any, *, subject: str, captured: str | None = None, item: Item | None = None) -> npt.NDArray[np.intp]:
        """The places of the admitted rows, for loaders that shuffle: they draw from these in place of all, and copy nothing twice.

        Raises:
            GateError: as ``batches``.
        """
        return np.flatnonzero(self.mask(batch, subject=subject, captured=captured, item=item))

    def records(
        self,
        samples: Iterable[Sample],
        *,
        subject: str | Callable[[Sample], object],
        captured: str | Callable[[Sample], object] | None = None,
    ) -> Passing[Sample]:
        """The admitted ones of an iterable of samples, read ``AT_ONCE`` ahead. It may be gone through again, if ``samples`` may.

        ``subject`` is the name under which a sample (a mapping) has its subject's key, or a function of the sample; ``captured`` that of
        its time of capture (aware).

        Raises:
            GateError: while it is gone through, as ``batches``.
        """
        times = None if captured is None else _getter(captured)
        return Passing(samples, lambda source: self._pass_on(source, _getter(subject), times, str(subject)))

    def pairs(self, pairs: Iterable[tuple[object, Sample]]) -> Iterator[Sample]:
        """The admitted samples of (subject's key, sample).

        Raises:
            GateError: as ``batches``.
        """
        return (sample for _, sample in self._pass_on(pairs, _first, None, "subject"))

    def view(self, samples: Any, *, subjects: Any, captured: Any = None) -> AdmittedView:
        """The admitted ones of a map-style dataset (``__len__`` and ``__getitem__``, as PyTorch's), as such a dataset.

        ``subjects`` are the subjects' keys in the samples' order, an array or Arrow column, so that no sample has to be read for it;
        ``captured`` the times of capture. A sample is judged again when it is asked for.

        Raises:
            SubjectColumn: there are not as many subjects as samples; and as ``batches``.
        """
        column = as_column(subjects, "subjects")
        times = None if captured is None else times_of(as_column(captured, "captured"), "captured")
        if len(column) != len(samples) or (times is not None and times.size != len(column)):
            raise SubjectColumn(f"there are {len(column):,} subjects for {len(samples):,} samples")
        places = np.flatnonzero(self._judge(column, "subjects", times, None) == 0)
        return AdmittedView(
            samples, places, lambda at: self._again(column.slice(int(at), 1), None if times is None else times[int(at) : int(at) + 1])
        )

    def reason(self, key: object) -> Reason:
        """Why one person's samples, of an unknown time of capture, are refused; ``ADMITTED`` if they are not. Counts nothing.

        Raises:
            GateError: as ``batches``; who is unknown is an answer.
        """
        admission = self._admission("subject")
        typed = int(str(key)) if admission.kind.integers and str(key).lstrip("-").isdecimal() else key
        codes, _, _ = self._codes(as_column([typed], "subject"), "subject", None, None)
        return tuple(Reason)[int(codes[0])]

    def _again(self, column: Any, times: npt.NDArray[np.int64] | None) -> Reason:
        """Why the one record of a view is refused by now; ``ADMITTED`` if it is not. It was counted when the view was made."""
        codes, _, _ = self._codes(column, "subjects", times, None)
        return Reason.ADMITTED if self.tally.logging_only else tuple(Reason)[int(codes[0])]

    def _pass_on(
        self, samples: Iterable[Sample], key: Callable[[Any], object], time: Callable[[Any], object] | None, name: str
    ) -> Iterator[Sample]:
        source = iter(samples)
        while some := list(islice(source, AT_ONCE)):
            times = None if time is None else times_of(as_column([time(one) for one in some], "captured"), "captured")
            codes = self._judge(as_column([key(one) for one in some], name), name, times, None)
            yield from (one for one, code in zip(some, codes, strict=True) if code == 0)

    def _judge(self, column: Any, name: str, times: npt.NDArray[np.int64] | None, named: tuple[str, Any] | None) -> npt.NDArray[np.uint8]:
        keep = self._admission(name).keep
        if self._category is not None and keep is not None and times is None:
            days = keep / timedelta(days=1)
            raise SubjectColumn(
                f"{self._category} may be used for {days:g} days after its capture: name the column of that time, captured="
            )
        codes, counts, epoch = self._codes(column, name, times, named)
        strangers = counts.get(Reason.UNKNOWN, 0)
        if strangers and self._stops and not self.tally.logging_only:
            raise NotEnrolled(f"{strangers:,} of {len(column):,} records name people whom epoch {epoch} does not know")
        self.tally.counts.update(counts)
        return np.zeros_like(codes) if self.tally.logging_only else codes

    def _codes(
        self, column: Any, name: str, times: npt.NDArray[np.int64] | None, named: tuple[str, Any] | None
    ) -> tuple[npt.NDArray[np.uint8], Mapping[Reason, int], int]:
        """A code per record, under an epoch that is fresh when they are known."""
        self._refresh()
        admission = self._admission(name)
        numbers = admission.numbers(column, name, dense=self._dense)
        items = None if named is None else self._items(admission, numbers, *named)
        codes, counts = admission.judge(numbers, self._clock.now(), times, items)
        self._require_fresh()
        return codes, counts, admission.epoch.number

    def _items(self, admission: AdmissionSet, numbers: npt.NDArray[np.uint32], collection: str, column: Any) -> npt.NDArray[np.uint64]:
        """What records are called, hashed; only of those whose subject has a tombstone."""
        items = np.zeros(numbers.size, np.uint64)
        places = admission.stoned(numbers)
        if places.size:
            texts = texts_of(column.take(pa.array(places))).fill_null("")
            items[places] = hashes_of(texts, self._pass.halves(f"item/{collection}"), integers=False, name="item")
        return items

    def _admission(self, column: str) -> AdmissionSet:
        kind = kind_of(self.epoch, self._said_kind, column)
        if kind not in self._sets:
            self._renew({*self._sets, kind})
        return self._sets[kind]

    def _refresh(self) -> None:
        """Look for a newer epoch if it is time. What can't be read leaves the old one, for as long as it is fresh."""
        now = self._clock.now()
        if timedelta(0) <= now - self._looked < self._every and self.epoch.is_fresh(now, self._bound):
            return
        self._looked = now
        with suppress(GateClosed):
            self._renew(set(self._sets))
        self._require_fresh()

    def _renew(self, kinds: set[str]) -> None:
        """Take over the newest epoch for these kinds: all of it, or nothing.

        Raises:
            GateClosed: the note or a file can't be read.
            EpochUntrusted: it is not what was signed, or older than the one that was used.
            UnknownPurpose, SubjectColumn: the policy has changed, and knows this no more.
        """
        for attempt in range(_TRIES):
            newest = self._newest()
            if newest.number < self.epoch.number:
                raise EpochUntrusted(f"epoch {newest.number} was put in place of epoch {self.epoch.number}", where=str(self._folder))
            if newest.number == self.epoch.number and kinds <= self._sets.keys():
                return
            try:
                files = {name: self._read(newest, name) for name in _needed(newest, kinds, self.purpose)}
            except GateClosed:
                if attempt == _TRIES - 1:
                    raise
                continue
            self._sets = {
                one: AdmissionSet(newest, Asked(self.purpose, one, self._category), files.__getitem__, self._pass) for one in sorted(kinds)
            }
            self.epoch, self._files = newest, {newest.files[name].sha256: held for name, held in files.items()}
            return

    def _read(self, epoch: Epoch, name: str) -> memoryview:
        """A file, verified once however many epochs share it."""
        held = self._files.get(epoch.files[name].sha256)
        return map_file(self._folder, epoch, name) if held is None else held

    def _newest(self) -> Epoch:
        return Epoch.verified(read_note(self._folder), self._pass.verifier)

    def _require_fresh(self) -> None:
        now = self._clock.now()
        if not self.epoch.is_fresh(now, self._bound):
            age, bound = self.epoch.age(now).total_seconds(), self._bound.total_seconds()
            told = f"was made {age:.0f} s ago and holds for {bound:.0f} s" if age >= 0 else f"is {-age:.0f} s ahead of this clock"
            raise StaleEpoch(f"epoch {self.epoch.number} {told}", where=str(self._folder))


def _needed(epoch: Epoch, kinds: set[str], purpose: str) -> set[str]:
    """The files for a purpose and these kinds.

    Raises:
        UnknownPurpose: the epoch has nothing for it.
        SubjectColumn: it has no such kind.
    """
    require_purpose(epoch, purpose)
    held = [require_kind(epoch, one) for one in kinds]
    each = {name for one in held for name in (one.table, one.known)}
    return {"stoned", "hidden", "held", "stones", epoch.purposes[purpose], epoch.template[purpose], *each}


def _first(pair: Any) -> object:
    key: object = pair[0]
    return key


def _getter(name: str | Callable[[Any], object]) -> Callable[[Any], object]:
    if callable(name):
        return name

    def key(sample: Any) -> object:
        if not isinstance(sample, Mapping) or name not in sample:
            known = ", ".join(map(str, islice(sample, 20))) if isinstance(sample, Mapping) else type(sample).__name__
            raise SubjectColumn(f"a sample has no {name!r}; it has {known}")
        held: object = sample[name]
        return held

    return key
