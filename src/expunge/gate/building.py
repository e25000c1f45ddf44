"""Makes the files of an epoch from what the rooms below say. Knows arrays of numbers, and nobody's key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from expunge.evidence.signing import Signer
from expunge.gate.admission import STONE
from expunge.gate.epoch import Epoch, File, Kind, Term
from expunge.gate.files import announce, keep_file, put_file, sweep
from expunge.gate.roster import table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVER = np.iinfo(np.int64).max
Numbers = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class People:
    """Everybody of one kind: the column name of their key, its type, the hashes of their keys, and their numbers in the same order."""

    key: str
    integers: bool
    hashes: npt.NDArray[np.uint64]
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Stoned:
    """One tombstone of one person: the categories (none: all), captured before when (``None``: whenever), of which record (0: any)."""

    number: int
    categories: tuple[str, ...]
    before: datetime | None
    item: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true at an epoch. Numbers are the registry's; ``agreed`` and ``template`` are by purpose."""

    published_at: datetime
    policy: str
    register: int
    consents: int
    highest: int
    people: Mapping[str, People]
    agreed: Mapping[str, Numbers]
    template: Mapping[str, Numbers]
    hidden: Numbers
    held: Numbers
    terms: tuple[Term, ...] = ()
    templates: tuple[str, ...] = ()
    stones: Sequence[Stoned] = field(default_factory=tuple)


def bits_of(numbers: Numbers, limit: int) -> npt.NDArray[np.uint8]:
    """A bit per number below ``limit``: bit ``n & 7`` of byte ``n >> 3``."""
    flags = np.zeros(limit, np.bool_)
    flags[numbers] = True
    return np.packbits(flags, bitorder="little")


def build(folder: Path, previous: Epoch | None, facts: Facts, signer: Signer) -> Epoch:
    """Write an epoch's files and make it the newest. Killed at any point, the epoch before stays the newest and whole.

    A table is made anew only where people have come since the ``previous`` epoch: at 100 million it takes half a minute.

    Raises:
        OSError: the medium refuses; the same holds.
    """
    limit, number = facts.highest + 1, previous.number + 1 if previous is not None else 1
    files: dict[str, File] = {}
    for name, numbers in _maps(facts):
        files[name] = put_file(folder, bits_of(numbers, limit).data)
    kinds = {}
    for kind, one in facts.people.items():
        before = previous.kinds.get(kind) if previous is not None else None
        if (
            previous is not None
            and before is not None
            and before.count == one.hashes.size
            and keep_file(folder, previous.files[before.table])
        ):
            files[before.table], kinds[kind] = previous.files[before.table], before
            continue
        slots, bits = table(one.hashes, one.numbers)
        files[f"table/{kind}"] = put_file(folder, slots.data.cast("B"))
        kinds[kind] = Kind(one.key, one.integers, bits, one.hashes.size, f"table/{kind}", f"known/{kind}")
    categories = tuple(sorted({category for one in facts.stones for category in one.categories}))
    files["stones"] = put_file(folder, _stones(facts.stones, categories).tobytes())
    epoch = Epoch(
        number,
        facts.published_at,
        facts.policy,
        facts.register,
        facts.consents,
        limit,
        kinds,
        {purpose: f"agreed/{purpose}" for purpose in facts.agreed},
        {purpose: f"template/{purpose}" for purpose in facts.agreed},
        facts.terms,
        categories,
        facts.templates,
        files,
    )
    announce(folder, number, epoch.signed(signer))
    sweep(folder, facts.published_at.timestamp(), [files])
    return epoch


def _maps(facts: Facts) -> Iterable[tuple[str, Numbers]]:
    """Every map of bits, by name."""
    yield "stoned", np.array(sorted({one.number for one in facts.stones}), np.uint32)
    yield "hidden", facts.hidden
    yield "held", facts.held
    for purpose, numbers in facts.agreed.items():
        yield f"agreed/{purpose}", numbers
        yield f"template/{purpose}", facts.template[purpose]
    for kind, one in facts.people.items():
        yield f"known/{kind}", one.numbers


def _stones(stones: Sequence[Stoned], categories: Sequence[str]) -> npt.NDArray[np.void]:
    place = {one: at for at, one in enumerate(categories, 1)}
    rows = [
        (one.number, at, _EVER if one.before is None else (one.before - _EPOCH) // timedelta(microseconds=1), one.item)
        for one in stones
        for at in ([place[name] for name in one.categories] or [0])
    ]
    return np.array(sorted(set(rows)), STONE)
