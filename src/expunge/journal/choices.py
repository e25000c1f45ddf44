"""What households chose to keep for less than the policy's term; who approved a policy's sweeps; and the sweeps that were.

A choice is kept under the household's number, with the household's own key sealed by the household's key: whoever is erased takes their
choice along, and until then a sweep knows whom to ask the stores for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from expunge.errors import KeySealed
from expunge.journal.desk import Desk
from expunge.journal.schema_retention import choices, sweep_approvals, sweeps
from expunge.terms import Json

_SPACE = "subject"


@dataclass(frozen=True, slots=True, repr=False)
class Choice:
    """A household's choice for a data category. ``key`` is the household's own, ``None`` while it is hidden or once it is destroyed."""

    subject: int
    category: str
    keep: timedelta
    key: str | None
    by: str
    at: datetime

    def __repr__(self) -> str:
        """Nothing of whose it is."""
        return f"Choice({self.category!r}, {self.keep})"


@dataclass(frozen=True, slots=True)
class SweepApproval:
    """A person's word on the sweeps of one policy, at a time in UTC."""

    policy_digest: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep that was: up to which time (UTC), by whom, by which policy, and how many records it found."""

    at: datetime
    by: str
    policy_digest: str
    records: int
    told: Json


class Choices(Desk):
    """The register of choices and sweeps."""

    def choose(self, subject: int, category: str, keep: timedelta, key: str, by: str) -> None:
        """Keep a choice in place of the one before; the subject's key was made before.

        Raises:
            KeyDestroyed: the subject is erased.
            UnknownRequest: the registry has no such subject.
        """
        sealed = self._sealer.seal(_SPACE, subject, key.encode("utf-8", "surrogatepass"), bound_to=_bound(category))
        row = {"keep": keep, "sealed": sealed, "chosen_by": by, "chosen_at": self._clock.now()}
        upsert = self._database.upsert(choices).values(subject=subject, category=category, **row)
        with self._database.writing() as connection:
            connection.execute(upsert.on_conflict_do_update(index_elements=["subject", "category"], set_=row))

    def unchoose(self, subject: int, category: str) -> bool:
        """Go back to the policy's term; whether there was a choice."""
        mine = (choices.c.subject == subject) & (choices.c.category == category)
        with self._database.writing() as connection:
            return connection.execute(choices.delete().where(mine)).rowcount > 0

    def choices(self) -> list[Choice]:
        """Every choice that stands. Those of subjects whose key is destroyed are forgotten here."""
        with self._database.reading() as connection:
            rows = connection.execute(select(choices).order_by(choices.c.category, choices.c.subject)).all()
        found: list[Choice] = []
        for category in dict.fromkeys(row.category for row in rows):
            held = {row.subject: row for row in rows if row.category == category}
            keys = self._keys_of(category, {number: row.sealed for number, row in held.items()})
            found += [
                Choice(number, category, row.keep, keys[number], row.chosen_by, row.chosen_at)
                for number, row in held.items()
                if number in keys
            ]
            for number in held.keys() - keys.keys():
                self.unchoose(number, category)
        return found

    def approve_sweeps(self, policy_digest: str, by: str) -> SweepApproval:
        """A person's word on every sweep of this policy, in place of an earlier one."""
        row = {"approved_by": by, "approved_at": self._clock.now()}
        upsert = self._database.upsert(sweep_approvals).values(policy_digest=policy_digest, **row)
        with self._database.writing() as connection:
            connection.execute(upsert.on_conflict_do_update(index_elements=["policy_digest"], set_=row))
        return SweepApproval(policy_digest, by, self._clock.now())

    def sweep_approval(self, policy_digest: str) -> SweepApproval | None:
        """Who approved the sweeps of this policy."""
        with self._database.reading() as connection:
            row = connection.execute(select(sweep_approvals).where(sweep_approvals.c.policy_digest == policy_digest)).first()
        return SweepApproval(row.policy_digest, row.approved_by, row.approved_at) if row is not None else None

    def keep_sweep(self, sweep: Sweep) -> None:
        """Write down that a sweep was."""
        row = {"at": sweep.at, "started_by": sweep.by, "policy_digest": sweep.policy_digest, "records": sweep.records, "told": sweep.told}
        with self._database.writing() as connection:
            connection.execute(sweeps.insert().values(**row))

    def sweeps(self, last: int = 1) -> Sequence[Sweep]:
        """The last sweeps, the youngest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(sweeps).order_by(sweeps.c.id.desc()).limit(last)).all()
        return [Sweep(row.at, row.started_by, row.policy_digest, row.records, row.told) for row in rows]

    def _keys_of(self, category: str, sealed: Mapping[int, bytes]) -> dict[int, str | None]:
        """The households' own keys: ``None`` where it is hidden, absent where it is destroyed."""
        try:
            opened = self._sealer.unseal_each(_SPACE, sealed, bound_to=_bound(category))
        except KeySealed:
            if len(sealed) == 1:
                return dict.fromkeys(sealed)
            numbers = sorted(sealed)
            halves = (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :])
            return {number: key for half in halves for number, key in self._keys_of(category, {one: sealed[one] for one in half}).items()}
        return {number: plain.decode("utf-8", "surrogatepass") for number, plain in opened.items()}


def _bound(category: str) -> bytes:
    return f"journal/choice/{category}".encode()
