"""The store contract: six methods, and nothing above a store leaks into it.

A store does; floors above decide. It knows no policy, hold, request or receipt, and holds no retry, timer or thread. What it promises
is tested by the laws in ``expunge.testing.conformance``; those who write a store read these sentences, then make the laws pass.

- Times are aware and in UTC. Values compare exactly; ``coerce`` says how a value of one type meets a field of another.
- Errors leave only as classes of ``expunge.errors``, raised ``from None``: a driver's text may quote an identifier.
  ``UnknownStore`` for a collection that the configuration doesn't have, ``Unavailable`` when unreachable, ``Refused`` when not
  permitted, ``Drift`` when a selector or step names a field that isn't there (or a file isn't of its declared format), ``Conflict``
  when a record changed between read and write, ``Full`` when there is no space.
- Absence is never success: a missing folder, table, bucket or file format is an error; an existing, empty one is a true zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import BinaryIO, Protocol, runtime_checkable
from uuid import UUID

from expunge.ports import Fleet
from expunge.terms import FieldType, Located, Reclaimed, Record, Residue, Selector, Shape, Step, Value, text_of


@runtime_checkable
class Store(Protocol):
    """A place where records lie. One instance is used by one thread; workers open their own."""

    def describe(self) -> tuple[Shape, ...]:
        """Every collection as it is now, in stable order, whether or not anybody mentioned it."""
        ...

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """The addresses of the records that match, each once, in an order that is the same at every call on the same content.

        An address is opaque, stable while the record is unchanged, and means the same record in another process. ``carry`` names
        fields whose values come along (``None`` for null or absent). The order groups what ``erase`` rewrites together.
        """
        ...

    def erase(self, step: Step) -> Iterator[int]:
        """Do the step, yielding after each durable batch how many of ``step.addresses``, counted from the front, are now done.

        Nothing is announced before it is durable. An address whose record is already gone (or already redacted) counts as done, so
        a step may be begun again from any point. Nothing else than the addressed records changes. Stopping the iteration stops the
        work at a batch's edge.
        """
        ...

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Remove the history that the store keeps of what was deleted from the selector's collection. Idempotent."""
        ...

    def verify(self, selector: Selector) -> Residue:
        """Count what still matches, by a path that shares no query and no index with ``locate``; look at history too."""
        ...

    def close(self) -> None:
        """Give connections and files back. Idempotent."""
        ...


@runtime_checkable
class Reader(Protocol):
    """Optional: a store whose records can be read, for access requests and fingerprints."""

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """The content of the addressed records, in the order given; an address that is gone is left out."""
        ...


@runtime_checkable
class Counter(Protocol):
    """Optional: a store that counts the statements or requests it has sent, for ``bench/`` and ``--json``."""

    @property
    def statements(self) -> int:
        """How many were sent since the store was opened."""
        ...


@runtime_checkable
class Together(Protocol):
    """Optional: a store in which several collections are reclaimed for less than each by itself."""

    def reclaim_all(self, collections: Sequence[str]) -> tuple[Reclaimed, ...]:
        """As ``reclaim`` of each, in this order; what they share is removed once, at the end, and its remark is with each of them.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict, Full: as ``reclaim``; then all are to be reclaimed again.
        """
        ...


@runtime_checkable
class Lister(Protocol):
    """Optional: a store that can say which values a field holds, so that a register that keeps only digests can be asked about them."""

    def distinct(self, collection: str, field: str) -> Iterator[tuple[Value, ...]]:
        """The values that the field holds now, in batches; null is none.

        A value comes once in a batch. It may come again in a later one where the store's own documentation says so. The collection is
        never in memory as a whole, and the number of statements does not grow with that of values. Values compare exactly: two that
        ``locate`` tells apart are two.

        Raises:
            UnknownStore: no such collection.
            Drift: no such field, or one that can't be selected by.
            Unavailable, Refused, Conflict: as ``locate``.
        """
        ...


@runtime_checkable
class Splits(Protocol):
    """Optional: a store whose work on single files can be done by several processes at once."""

    def use(self, fleet: Fleet, width: int) -> None:
        """Let this fleet do such work, ``width`` items at a time, where there is enough of it to pay.

        What the other methods promise stays: ``erase`` has nothing in flight between two yields, and faults are the same.
        """
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A share of a place that is scanned by one worker in one go: a stream (object, file), or a range of a table's rows.

    ``name`` is the stream's key or path, or the table's name with its schema where that is not the usual one; ``range`` is the store's own
    text for which rows, ``""`` for all. ``size`` is in bytes, approximate for tables, ``None`` if it can't be told cheaply. ``unread`` says
    why the part can't be scanned (a special file, no permission), in the words of ``hunt.pieces.Why``; it is told all the same.
    """

    name: str
    table: bool = False
    range: str = ""
    size: int | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class ScannedRows:
    """A batch of a table's rows, column by column, every column that there is; ``keys`` are the rows' own keys as text."""

    keys: Sequence[str]
    columns: Mapping[str, Sequence[Value | None]]


@runtime_checkable
class Scan(Protocol):
    """Optional: a place all of which can be read, listed or not, for the hunt. Never writes; never blocks writers for long."""

    def parts(self) -> Iterator[Part]:
        """Everything that there is now, in stable order: every table of every schema, every version of every object, every file."""
        ...

    def stream(self, part: Part) -> BinaryIO:
        """The bytes of a part that is no table; the caller closes it. It can be sought where the medium can.

        Raises:
            Conflict: gone or changed since it was listed.
            Unavailable, Refused: as the store says.
        """
        ...

    def rows(self, part: Part) -> Iterator[ScannedRows]:
        """The rows of a part that is a table, in batches of some thousand.

        Raises:
            Conflict: gone or changed since it was listed.
            Unavailable, Refused: as the store says.
        """
        ...

    def close(self) -> None:
        """Give connections and files back. Idempotent."""
        ...


def coerce(value: Value, to: FieldType) -> Value | None:
    """``value`` as a field of type ``to`` would hold it, or ``None`` if no such field can equal it.

    Exact: text becomes a number only if the number's text is the same (``"7"`` meets 7, ``"07"`` and ``" 7"`` don't), never the other
    way round by rounding. ``JSON`` and ``OTHER`` fields can't be compared.
    """
    if to in (FieldType.JSON, FieldType.OTHER):
        return None
    if to is FieldType.TEXT:
        return text_of(value)
    return _READERS[to](value)


_OWN: Mapping[FieldType, type[Value]] = {FieldType.TEXT: str, FieldType.INTEGER: int}
"""Types whose values ``coerce`` gives back as they are; a ``bool`` is an ``int``, but not of that type."""


def coerce_all(values: Iterable[Value], to: FieldType) -> list[Value]:
    """The values that a field of type ``to`` can hold, each once, in a stable order."""
    own = _OWN.get(to)  # most are of the field's type already, and there are thousands
    held = {value if type(value) is own else coerce(value, to) for value in values}
    return sorted((one for one in held if one is not None), key=None if own else text_of)


def _integer(value: Value) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal):
        return int(value) if math.isfinite(value) and value % 1 == 0 else None
    text = text_of(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None
    number = int(text)
    return number if str(number) == text else None


def _real(value: Value) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        number = float(text_of(value))
    except ValueError:
        return None
    return number if repr(number) == text_of(value) or str(_integer(value)) == text_of(value) else None


def _numeric(value: Value) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(text_of(value))
    except InvalidOperation:
        return None
    return number if text_of(number) == text_of(value) else None


def _boolean(value: Value) -> bool | None:
    return {"true": True, "false": False}.get(text_of(value))


def _bytes(value: Value) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _time(value: Value) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _date(value: Value) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _uuid(value: Value) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else UUID(text_of(value))
    except ValueError:
        return None


_READERS = {
    FieldType.INTEGER: _integer,
    FieldType.REAL: _real,
    FieldType.NUMERIC: _numeric,
    FieldType.BOOLEAN: _boolean,
    FieldType.BYTES: _bytes,
    FieldType.TIME: _time,
    FieldType.DATE: _date,
    FieldType.UUID: _uuid,
}


class StoreOpener(Protocol):
    """How ``registry`` opens one kind of store."""

    def __call__(self, name: str, options: Mapping[str, object], collections: Sequence[CollectionLayout]) -> Store:
        """Open the store; ``options`` are the policy's own, with environment references already filled in."""
        ...


class CollectionLayout(Protocol):
    """What a store without a schema of its own is told about a collection (objects: the key template; logs and lakes: paths)."""

    @property
    def name(self) -> str:
        """The collection's name inside the store."""
        ...

    @property
    def layout(self) -> Mapping[str, object]:
        """The store-specific part of the dataset annotation, e.g. ``{"objects": "voice/{profile_id}/{clip_id}.wav"}``."""
        ...

    @property
    def field_names(self) -> tuple[str, ...]:
        """The declared fields, nested ones with dots."""
        ...
