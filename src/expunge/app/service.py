"""Several workers on one machine: each is a process with its own connections; what they share is the journal."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from expunge.app.families import Families
from expunge.app.idling import round_if_due
from expunge.app.library import Expunge
from expunge.app.opening import open_policy
from expunge.app.posting import send_letters
from expunge.app.sweeps import sweep_if_due
from expunge.erase.runner import Watcher, nobody
from expunge.runtime.fleet import fleet

LOOK_EVERY = 1.0
"""Seconds between looks when a shift without end has nothing to do: one query on the journal."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What one worker process is told."""

    policy: Path
    run_id: str | None
    patience: timedelta
    forever: bool = False


def work_in_processes(shift: Shift, workers: int, ray: str | None = None) -> int:
    """Let ``workers`` processes do what is due, until nothing is; how many steps they did.

    Raises:
        MissingExtra: a Ray cluster is named.
        ExpungeError: as one of the workers met it.
    """
    return sum(fleet(workers, ray).map(_alone, [shift] * workers))


def work_shift(shift: Shift, library: Expunge, watch: Watcher = nobody) -> int:
    """One worker's shift; how many steps it did."""
    done = _once(shift, library, watch)
    while shift.forever:
        time.sleep(LOOK_EVERY)
        done += _once(shift, library, watch)
    return done


def _once(shift: Shift, library: Expunge, watch: Watcher) -> int:
    """What is due: of everything, or of one run only."""
    if shift.run_id is not None:
        return library.work(shift.run_id, patience=shift.patience, watch=watch)
    sweep_if_due(library.rooms)
    round_if_due(library)
    Families(library).settle()
    done = library.work(None, patience=shift.patience, watch=watch)
    send_letters(library)
    return done


def _alone(shift: Shift) -> int:
    with open_policy(shift.policy, env={**os.environ, "EXPUNGE_WORKERS": "1"}) as library:  # it is one of several already
        return work_shift(shift, library)
