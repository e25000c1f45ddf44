"""The policy's ``undo`` and ``holds``: how long an erasure can be undone, and who may keep what for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field

from expunge.policy.options import Strict, Texts
from expunge.policy.quantities import Duration

WINDOW, HOUSEHOLD, QUARANTINE = timedelta(days=7), timedelta(days=30), timedelta(hours=72)
"""A week to notice; a month for a household, whose members may be away; three days in which a device that is new can't undo."""

LONGEST, CONFIRM_WITHIN = timedelta(days=180), timedelta(hours=72)
"""Half a year, then somebody has to say again why; and three days, over a weekend, for the second person's word."""


class WrittenUndo(Strict):
    """How long what a person asked to have erased is only hidden."""

    window: Duration = Field(default=WINDOW, description="Before anything is destroyed; 7 days if left out.")
    household: Duration = Field(default=HOUSEHOLD, description="For a whole household; 30 days if left out.")
    quarantine: Duration = Field(default=QUARANTINE, description="A device must have been known this long before it may undo; 72 hours.")


class WrittenHolds(Strict):
    """Who may place legal holds, and for how long."""

    longest: Duration = Field(default=LONGEST, description="A hold, or one renewal of it, ends after this; 180 days if left out.")
    confirm_within: Duration = Field(default=CONFIRM_WITHIN, description="How long a hold stands that nobody has confirmed; 72 hours.")
    place: Texts = Field(default_factory=lambda: ["legal"], description="Roles that may ask for a hold or for its renewal.")
    confirm: Texts = Field(default_factory=lambda: ["legal", "privacy"], description="Roles of the second person, who confirms.")
    open: Texts = Field(default_factory=lambda: ["legal", "privacy"], description="Roles of the two who may open a preserved copy.")


@dataclass(frozen=True, slots=True)
class Undo:
    """How long a request can be undone: a person's, and a whole household's. ``quarantine``: see ``WrittenUndo``."""

    window: timedelta = WINDOW
    household: timedelta = HOUSEHOLD
    quarantine: timedelta = QUARANTINE


@dataclass(frozen=True, slots=True)
class HoldRules:
    """Which roles may ask for, confirm and open what is held, and for how long at most."""

    longest: timedelta = LONGEST
    confirm_within: timedelta = CONFIRM_WITHIN
    place: tuple[str, ...] = ("legal",)
    confirm: tuple[str, ...] = ("legal", "privacy")
    open: tuple[str, ...] = ("legal", "privacy")


def undo_of(written: WrittenUndo | None) -> Undo | None:
    """The policy's windows; without the key, nothing waits."""
    return None if written is None else Undo(written.window, written.household, written.quarantine)


def hold_rules_of(written: WrittenHolds) -> HoldRules:
    """The policy's rules for holds, which there are also where it says nothing of them."""
    named: Mapping[str, tuple[str, ...]] = {"place": tuple(written.place), "confirm": tuple(written.confirm), "open": tuple(written.open)}
    return HoldRules(written.longest, written.confirm_within, **named)
