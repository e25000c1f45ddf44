"""Settings of a process, from the environment and from nowhere else; what is to be erased is the policy file's matter.

Every name begins with ``EXPUNGE_``. One that we don't know is refused: a misspelt setting that is silently ignored is how a cluster runs
on the defaults for a year.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from expunge.errors import PolicyInvalid

PREFIX = "EXPUNGE_"
LEVELS = ("debug", "info", "warning", "error")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=_count(text))


def _level(text: str) -> str:
    if text not in LEVELS:
        raise ValueError
    return text


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set for a process; ``SETTINGS`` tells what each is for. ``external_root`` is a secret and never printed."""

    policy: Path = Path("expunge.yaml")
    external_root: str | None = field(default=None, repr=False)
    workers: int = os.cpu_count() or 1
    ray: str | None = None
    lease: timedelta = timedelta(seconds=30)
    log: str = "warning"
    smtp: str | None = None
    smtp_password: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    mail_rate: int = 600
    outbox: str | None = None
    gate_pass: str | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str], also: Collection[str] = ()) -> Self:
        """The settings in ``environment``. ``also`` names variables that begin alike and belong to others (a policy's own).

        Raises:
            PolicyInvalid: a name that is no setting, or a value that can't be read; the value is not quoted.
        """
        known = {one.name: one for one in SETTINGS}
        values: dict[str, Any] = {}
        for name in sorted(environment):
            if name in known:
                values[name.removeprefix(PREFIX).lower()] = _read(known[name], environment[name])
            elif name.startswith(PREFIX) and name not in also:
                # Compared without the prefix, which would make any two names alike.
                near = get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], n=1)
                msg = f"is not a setting; did you mean {PREFIX}{near[0]}?" if near else f"is not a setting; there are {', '.join(known)}"
                raise PolicyInvalid(msg, where=name)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: how its text is read (``ValueError`` if it can't be), what it wants, and what it is for."""

    name: str
    read: Callable[[str], object]
    wants: str
    tells: str


SETTINGS = (
    Setting("EXPUNGE_POLICY", Path, "a path", "The policy file."),
    Setting("EXPUNGE_EXTERNAL_ROOT", str, "32 bytes in base64", "The secret that wraps the keys' roots, in place of a key file."),
    Setting("EXPUNGE_WORKERS", _count, "a number from 1", "Processes that work which can be split is spread over."),
    Setting("EXPUNGE_RAY", str, "a cluster's address", "A Ray cluster to spread such work over; not part of this version."),
    Setting("EXPUNGE_LEASE", _seconds, "seconds from 1", "How soon a dead worker's step is taken over."),
    Setting("EXPUNGE_LOG", _level, f"one of {', '.join(LEVELS)}", "The least that is logged."),
    Setting("EXPUNGE_SMTP", str, "smtps://USER@HOST:PORT", "The mail server that letters go to; without one they are put into a folder."),
    Setting("EXPUNGE_SMTP_PASSWORD", str, "a password", "The password at the mail server."),
    Setting("EXPUNGE_MAIL_FROM", str, "an address", "Whom letters come from and bounce to; the controller's, if not given."),
    Setting("EXPUNGE_MAIL_RATE", _count, "a number from 1", "Letters that one worker sends in a minute at most; 600 if not given."),
    Setting("EXPUNGE_OUTBOX", str, "a folder, or console", "Where letters go that no server takes; outbox beside the evidence."),
    Setting("EXPUNGE_GATE_PASS", str, "a path", "The pass with which a training job reads the gate's files."),
)
"""Every setting there is."""


def _read(setting: Setting, text: str) -> object:
    try:
        return setting.read(text)
    except ValueError:
        msg = f"wants {setting.wants}"
        raise PolicyInvalid(msg, where=setting.name) from None
