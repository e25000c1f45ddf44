"""The training gate: which samples may be trained on, decided from static files, without a service, at next to no cost.

``expunge.gate.open(purpose=…, at=…)`` gives a ``Gate`` whose wrappers let through what a person, or their guardian, has agreed to, and
nothing of anybody who is erased. The files are written by ``expunge gate publish``. ``docs/gate.md`` begins with the two lines.
"""

from __future__ import annotations

from expunge.gate.opening import open_gate as open  # noqa: A004  # the room's first word, used as gate.open
from expunge.gate.tally import Reason, Tally

__all__ = ["Reason", "Tally", "open"]
