"""Where a run stands, as the library tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from expunge.journal.records import ReceiptNote, Request, Run, StepRow, StepStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: its steps, and the receipts if there are any."""

    run: Run
    steps: tuple[StepRow, ...]
    requests: tuple[Request, ...]
    receipts: tuple[ReceiptNote, ...]

    @property
    def complete(self) -> bool:
        """Whether everything was erased, verified and receipted; what only time ends may still be pending."""
        return any(step.kind == "receipt" and step.status is StepStatus.DONE for step in self.steps)

    @property
    def undated(self) -> dict[str, int]:
        """Records that a range of time could not place, per collection: they have no date, and were left."""
        located = next((step.result for step in self.steps if step.kind == "locate"), None)
        found = located.get("undated") if isinstance(located, Mapping) else None
        return {str(address): int(str(count)) for address, count in found.items()} if isinstance(found, Mapping) else {}

    @property
    def waiting(self) -> tuple[StepRow, ...]:
        """Steps that failed and are waiting to be tried again, or were given up."""
        return tuple(step for step in self.steps if step.error_code is not None and step.status is not StepStatus.DONE)
