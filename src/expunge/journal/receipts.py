"""Where the receipts of a run and of its requests lie. The receipts themselves are files; what proves them is the evidence log."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from expunge.journal.desk import Desk
from expunge.journal.records import ReceiptNote
from expunge.journal.schema import receipts


class Receipts(Desk):
    """The receipts' register."""

    def keep_receipts(self, run_id: str, notes: Sequence[ReceiptNote]) -> None:
        """Write down where these receipts lie. One place in the log is one receipt: keeping it again changes nothing.

        Raises:
            UnknownRequest: there is no such run or request.
        """
        now = self._clock.now()
        rows = [{"run_id": run_id, "kept_at": now, **_columns(note)} for note in notes]
        with self._database.writing() as connection:
            self._database.insert_new(connection, receipts, rows)

    def receipts(self, run_id: str) -> list[ReceiptNote]:
        """All receipts of a run, its own statements and its requests', in the log's order."""
        return self._receipts(receipts.c.run_id == run_id)

    def receipts_of(self, request_id: str) -> list[ReceiptNote]:
        """The receipts of one request, in the log's order."""
        return self._receipts(receipts.c.request_id == request_id)

    def _receipts(self, where: ColumnElement[bool]) -> list[ReceiptNote]:
        with self._database.reading() as connection:
            rows = connection.execute(select(receipts).where(where).order_by(receipts.c.log_index))
            return [ReceiptNote(row.request_id, row.path, row.digest, row.log_index, row.kept_at) for row in rows]


def _columns(note: ReceiptNote) -> dict[str, object]:
    return {"request_id": note.request_id, "path": note.path, "digest": note.digest, "log_index": note.log_index}
