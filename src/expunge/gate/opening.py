"""Opens a gate, with errors that say what to do. Imports the extra's libraries only when it is called."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from expunge.gate.epoch import STALE_AFTER
from expunge.gate.files import folder_of
from expunge.gate.keys import Pass
from expunge.gate.native import native
from expunge.ports import Clock

if TYPE_CHECKING:
    from expunge.gate.gate import Gate


def open_gate(
    purpose: str,
    at: str | Path,
    *,
    kind: str | None = None,
    category: str | None = None,
    dense: bool = False,
    stale_after: timedelta = STALE_AFTER,
    refresh_every: timedelta | None = None,
    unknown: Literal["stop", "refuse"] = "stop",
    logging_only: bool = False,
    pass_file: str | Path | None = None,
    clock: Clock | None = None,
) -> Gate:
    """The gate for one purpose, on the newest epoch in the folder ``at``. Reads files only, and asks no service.

    ``kind``: whose data it is, where the subject column's name does not say. ``category``: what the samples are, a data category of the
    policy; unnamed, whatever is withdrawn or erased of a person counts, and voiceprints need their own yes. ``dense``: the subject column
    holds the registry's numbers. ``stale_after``: how old an epoch may be (60 s; a batch job may declare more). ``refresh_every``: how
    often a newer epoch is looked for between batches; by default four times within the bound. ``unknown="refuse"`` leaves out people whom
    the epoch does not know, in place of stopping. ``logging_only`` lets everything through and counts what it would have refused.
    ``pass_file``: where the pass lies; else ``EXPUNGE_GATE_PASS`` says it.

    Raises:
        GateClosed, StaleEpoch, EpochUntrusted: there is no epoch that may be relied on.
        UnknownPurpose, SubjectColumn: the policy knows no such purpose, category or kind.
        MissingExtra: the gate's libraries are not installed.
    """
    made: Gate = native("gate").Gate(
        folder_of(at),
        Pass.read(pass_file),
        purpose,
        kind=kind,
        category=category,
        dense=dense,
        stale_after=stale_after,
        refresh_every=stale_after / 4 if refresh_every is None else refresh_every,
        unknown=unknown,
        logging_only=logging_only,
        clock=clock,
    )
    return made
