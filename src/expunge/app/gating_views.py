"""What the newest epoch says, for an operator: in numbers, and of one person who is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

import expunge.gate
from expunge.app.gating import Published, Publisher
from expunge.app.library import Expunge
from expunge.erase.subjects import parse_subject
from expunge.gate.admission import AdmissionSet, Asked
from expunge.gate.epoch import Epoch
from expunge.gate.files import folder_of, map_file, read_note
from expunge.gate.keys import Pass
from expunge.gate.tally import Reason
from expunge.terms import Json


@dataclass(frozen=True, slots=True)
class Row:
    """How many of a kind are enrolled, and how many of them are refused for no reason at all for a purpose."""

    purpose: str
    kind: str
    enrolled: int
    clear: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest epoch; ``current``: it was made from the policy as it is now."""

    epoch: int
    age: timedelta
    current: bool
    rows: tuple[Row, ...]

    def as_json(self) -> Json:
        """For ``--json``."""
        rows: list[Json] = [asdict(one) for one in self.rows]
        return {"epoch": self.epoch, "age_s": self.age.total_seconds(), "policy_current": self.current, "purposes": rows}


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one person's samples are let through or not."""

    epoch: int
    reason: Reason

    def as_json(self) -> Json:
        """For ``--json``."""
        return {"epoch": self.epoch, "admitted": self.reason is Reason.ADMITTED, "reason": self.reason.value}


def published(done: Published) -> dict[str, int]:
    """What a publishing did, in numbers."""
    return {"epoch": done.epoch.number, "people": sum(done.people.values()), "enrolled": done.enrolled}


def standing(library: Expunge, at: Path) -> Standing:
    """The newest epoch in numbers, also if it is too old to be relied on.

    Raises:
        GateClosed, EpochUntrusted: there is none that can be read.
    """
    folder, held = folder_of(at), Pass.read(Publisher(library).pass_file)
    epoch = Epoch.verified(read_note(folder), held.verifier)
    used = sorted({(one.purpose, one.kind) for one in epoch.terms})
    files = {name: map_file(folder, epoch, name) for name in epoch.files}
    rows = []
    for purpose, kind in used:
        found = AdmissionSet(epoch, Asked(purpose, kind, None), files.__getitem__, held)
        known = np.frombuffer(files[found.kind.known], np.uint8)
        rows.append(Row(purpose, kind, int(np.bitwise_count(known).sum()), found.clear))
    age = epoch.age(library.rooms.clock.now())
    return Standing(epoch.number, age, epoch.policy == library.policy.digest, tuple(rows))


def explained(library: Expunge, at: Path, subject: str, purpose: str, category: str | None) -> Explained:
    """Why the newest epoch lets a person's samples through or not; it may be a day old.

    Raises:
        InvalidRequest: this names nobody.
        GateError: no epoch can be read, or the purpose or category is not the policy's.
    """
    who = parse_subject(subject, library.policy.catalog)
    passing = Publisher(library).pass_file
    day = timedelta(days=1)
    gate = expunge.gate.open(
        purpose, at, kind=who.kind, category=category, pass_file=passing, stale_after=day, unknown="refuse", clock=library.rooms.clock
    )
    return Explained(gate.epoch.number, gate.reason(who.value))
