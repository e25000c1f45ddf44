"""Incidents: what a control found wrong, with an owner and a clock.

An incident is closed only by the control that failed passing again: not by a person's word, and not by another control. When the same
control fails again, the same incident is opened again and the reopenings are counted, so that a fault that keeps coming back is seen to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from expunge.errors import UnknownRequest
from expunge.journal.desk import Desk, fresh_id
from expunge.journal.records import Incident
from expunge.journal.schema import incidents

_COUNTER = "incident"


class Incidents(Desk):
    """The incidents' register."""

    def open_incident(
        self,
        kind: str,
        control: str,
        *,
        owner: str,
        due: datetime,
        note: str,
        run_id: str | None = None,
        store: str | None = None,
    ) -> Incident:
        """Say that ``control`` failed. ``due`` (aware) is when it has to pass again; ``note`` is the notice's text, without identifiers.

        An open one keeps its time of opening and its earlier due time; a closed one is opened again, and that is counted.

        Raises:
            UnknownRequest: there is no such run.
        """
        now = self._clock.now()
        told = {"kind": kind, "owner": owner, "note": note, "run_id": run_id, "store": store}
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            held = connection.execute(select(incidents).where(incidents.c.control == control)).first()
            if held is None:
                row = {**told, "id": fresh_id("inc"), "control": control, "due": due, "opened_at": now, "reopened": 0}
                connection.execute(incidents.insert().values(**row))
            elif held.closed_at is None:
                _change(connection, control, {**told, "due": min(due, held.due)})
            else:
                _change(connection, control, {**told, "due": due, "opened_at": now, "closed_at": None, "reopened": held.reopened + 1})
            return _incident(connection.execute(select(incidents).where(incidents.c.control == control)).one())

    def passed(self, control: str) -> bool:
        """Say that ``control`` passed; whether that closed an incident."""
        where = (incidents.c.control == control) & incidents.c.closed_at.is_(None)
        with self._database.writing() as connection:
            return connection.execute(update(incidents).where(where).values(closed_at=self._clock.now())).rowcount == 1

    def incident(self, incident_id: str) -> Incident:
        """One incident.

        Raises:
            UnknownRequest: there is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).first()
        if row is None:
            msg = f"there is no incident {incident_id!r}"
            raise UnknownRequest(msg)
        return _incident(row)

    def incidents(self, *, open_only: bool = False, run_id: str | None = None) -> list[Incident]:
        """The incidents (those still open, those of one run), the first due first."""
        query = select(incidents).order_by(incidents.c.due, incidents.c.id)
        query = query.where(incidents.c.closed_at.is_(None)) if open_only else query
        query = query if run_id is None else query.where(incidents.c.run_id == run_id)
        with self._database.reading() as connection:
            return [_incident(row) for row in connection.execute(query)]


def _change(connection: Connection, control: str, values: dict[str, object]) -> None:
    connection.execute(update(incidents).where(incidents.c.control == control).values(**values))


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        id=row.id,
        kind=row.kind,
        control=row.control,
        run_id=row.run_id,
        store=row.store,
        owner=row.owner,
        due=row.due,
        note=row.note,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        reopened=row.reopened,
    )
