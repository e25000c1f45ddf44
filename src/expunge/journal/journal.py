"""The journal: the control database behind one door."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Self

from sqlalchemy import select

from expunge.errors import KeyStoreUnavailable
from expunge.journal.admissions import Admissions
from expunge.journal.askings import Askings
from expunge.journal.canaries import Canaries
from expunge.journal.choices import Choices
from expunge.journal.consents import Consents
from expunge.journal.database import Database
from expunge.journal.ending import Endings
from expunge.journal.finds import Finds
from expunge.journal.holds import Holds
from expunge.journal.households import Households
from expunge.journal.idles import Idles
from expunge.journal.incidents import Incidents
from expunge.journal.letters import Letters
from expunge.journal.patrols import Patrols
from expunge.journal.preserved import PreservedCopies
from expunge.journal.receipts import Receipts
from expunge.journal.registry import Registry
from expunge.journal.schedules import Schedules
from expunge.journal.schema import facts
from expunge.journal.steps import Steps
from expunge.journal.tallies import Tallies
from expunge.journal.targets import Targets
from expunge.journal.undo import Windows
from expunge.ports import Clock, Sealer

_SHORTEST_KEY = 32
"""Bytes; as long as the digest, as RFC 2104 section 3 asks."""

_PATIENCE = timedelta(seconds=10)
"""How long a statement waits for a lock; the longest transactions, closing a large run, take less."""


class Journal(
    Registry,
    Endings,
    Holds,
    Windows,
    PreservedCopies,
    Steps,
    Targets,
    Receipts,
    Incidents,
    Finds,
    Schedules,
    Patrols,
    Canaries,
    Choices,
    Idles,
    Letters,
    Tallies,
    Consents,
    Askings,
    Households,
    Admissions,
):
    """People, requests, holds, windows, runs, steps, targets, receipts, incidents, finds, schedules, patrols, canaries, letters.

    Several threads may use one instance.
    """

    @classmethod
    def open(cls, url: str, *, clock: Clock, sealer: Sealer, lookup_key: bytes, patience: timedelta = _PATIENCE) -> Self:
        """Open the control database at ``url`` (``sqlite:///FILE``, ``postgresql://…``), making or migrating its tables.

        ``lookup_key`` is random, kept outside the database, and always the same for one journal.

        Raises:
            JournalNewer: a newer program has written it.
            KeyStoreUnavailable: the lookup key is not the one that it was made with.
            PolicyInvalid: the URL is of neither kind.
            JournalUnavailable, Refused, Full, MissingExtra: as the database says.
        """
        if len(lookup_key) < _SHORTEST_KEY:
            msg = f"the lookup key has at least {_SHORTEST_KEY} bytes"
            raise ValueError(msg)
        journal = cls(Database.open(url, patience=patience), clock, sealer, lookup_key)
        try:
            journal._check_lookup_key()
        except KeyStoreUnavailable:
            journal.close()
            raise
        return journal

    def close(self) -> None:
        """Give the connections back. Idempotent."""
        self._database.close()

    def _check_lookup_key(self) -> None:
        """With another key nobody would be recognised: every person would be new, and every erased one forgotten."""
        mine = self._digest("lookup-key")
        with self._database.writing() as connection:
            self._database.insert_new(connection, facts, [{"name": "lookup-key", "value": mine}])
            held = connection.execute(select(facts.c.value).where(facts.c.name == "lookup-key")).scalar_one()
        if not hmac.compare_digest(held, mine):
            msg = "the lookup key is not the one that this journal was made with"
            raise KeyStoreUnavailable(msg, where="journal")
