"""The end of a run: receipts that a stranger can check, and, when nothing is pending any more, the end of what the run itself held.

Appending to the log can't be undone and must not happen twice: before it, the journal learns how long the log is; after a crash the log
is read from there, and entries of this run that are already in it are used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate, chain

from expunge.erase.context import Rooms
from expunge.erase.intake import scope_of
from expunge.erase.late import REQUESTS
from expunge.erase.plan import scope_json
from expunge.erase.rest import file_rest
from expunge.erase.stages import WaitUntil
from expunge.erase.statement import latest_pending, less, request_statement, run_statement, spared_in
from expunge.erase.sweeping import is_sweep, scope_told
from expunge.evidence.canonical import canonical
from expunge.evidence.files import write_durably
from expunge.evidence.pieces import whole_statements
from expunge.evidence.receipts import assemble_each, make_entries
from expunge.journal.records import Lease, ReceiptNote, Request, RequestStatus
from expunge.terms import Json

RUN_KIND, REQUEST_KIND = "run/1", "receipt/1"


def receipt(rooms: Rooms, lease: Lease) -> Json:
    """Sign and log the run's statement and one for each request, write the receipts, and tell the journal where they lie."""
    requests = rooms.journal.requests(run_id=lease.run_id)
    steps = rooms.journal.steps(lease.run_id)
    start = _log_start(rooms, lease)
    known = _already_logged(rooms, lease.run_id, start)
    if known:
        index, whole = known
    else:
        controller = rooms.policy.controller.name
        run = rooms.journal.run(lease.run_id)
        whole = run_statement(rooms.policy.catalog, controller, run, requests, _scope(requests), steps, rooms.clock.now())
        index = rooms.log.append(make_entries(RUN_KIND, whole, rooms.executor, rooms.verifier))[-1]
    logged = _requests_logged(rooms, index)
    missing = [request for request in requests if request.id not in logged]
    entries = _request_entries(rooms, lease, missing, whole, index)
    first = rooms.log.append(list(chain.from_iterable(entries))).start if entries else 0
    ends = accumulate(len(one) for one in entries)  # a statement's place is that of its last entry
    logged |= {request.id: first + end - 1 for request, end in zip(missing, ends, strict=True)}
    notes = _write(rooms, {index: (None, lease.run_id), **{logged[request.id]: (request.id, request.id) for request in requests}})
    rooms.journal.keep_receipts(lease.run_id, notes)
    rooms.journal.set_request_status([request.id for request in requests], RequestStatus.DONE)
    file_rest(rooms, lease.run_id, requests)
    pending = latest_pending(whole)
    return {"log_index": index, "receipts": len(notes), "pending_until": pending.isoformat() if pending else None}


def close(rooms: Rooms, lease: Lease) -> Json:
    """Wait for what only ends with time; then the run's own targets may go (the runner closes the run)."""
    steps = {step.name: step for step in rooms.journal.steps(lease.run_id)}
    result = steps["receipt"].result
    pending = result.get("pending_until") if isinstance(result, Mapping) else None
    now = rooms.clock.now()
    if isinstance(pending, str):
        left = datetime.fromisoformat(pending) - now
        if left.total_seconds() > 0:
            raise WaitUntil(left, f"pending until {pending}")
    return {"at": now.isoformat()}


def _scope(requests: Sequence[Request]) -> Mapping[str, Json]:
    return scope_told(requests) if is_sweep(requests) else scope_json(scope_of(requests[0]))


def _log_start(rooms: Rooms, lease: Lease) -> int:
    """How long the log was before this step first touched it, journalled before it does."""
    if isinstance(lease.note, Mapping) and isinstance(lease.note.get("log"), int):
        return int(str(lease.note["log"]))
    size = rooms.log.checkpoint().size
    rooms.journal.progress(lease, 0, {"log": size})
    return size


def _already_logged(rooms: Rooms, run_id: str, start: int) -> tuple[int, Mapping[str, Json]] | None:
    runs = (one for one in whole_statements(rooms.log.entries(start), start) if one.kind == RUN_KIND)
    return next(((one.index, one.statement) for one in runs if one.statement.get("run") == run_id), None)


def _requests_logged(rooms: Rooms, index: int) -> dict[str, int]:
    """The places of receipts that follow this run's statement and name it."""
    found: dict[str, int] = {}
    for one in whole_statements(rooms.log.entries(index + 1), index + 1):
        run, request = one.statement.get("run"), one.statement.get("request")
        if one.kind != REQUEST_KIND or not isinstance(run, Mapping) or not isinstance(request, Mapping):
            continue
        if run.get("log_index") == index:
            found[str(request["id"])] = one.index
    return found


def _request_entries(rooms: Rooms, lease: Lease, requests: Sequence[Request], whole: Mapping[str, Json], index: int) -> list[list[bytes]]:
    """Per request its entries."""
    counts = {str(row["id"]): row for page in rooms.journal.targets(lease.run_id, REQUESTS) for row in json.loads(page)}
    located = next(step.result for step in rooms.journal.steps(lease.run_id) if step.name == "locate")
    acts = located.get("acts") if isinstance(located, Mapping) else None
    assert isinstance(acts, Mapping)
    digest = hashlib.sha256(canonical(whole)).hexdigest()
    spared = spared_in(rooms.journal.steps(lease.run_id))
    entries = []
    for request in requests:
        own = less(counts[request.id], spared)
        scope = scope_told([request]) if is_sweep([request]) else None
        statement = request_statement(whole, request, own, index, digest, acts, scope)
        entries.append(make_entries(REQUEST_KIND, statement, rooms.executor, rooms.verifier))
    return entries


def _write(rooms: Rooms, wanted: Mapping[int, tuple[str | None, str]]) -> list[ReceiptNote]:
    """The receipt files of these places in the log, each given as the request (``None``: the run) and the file's first name."""
    first = min(wanted)
    entries = [(place, raw) for place, raw in enumerate(rooms.log.entries(first), first) if place in wanted]
    raws = dict(zip((place for place, _ in entries), assemble_each(entries, rooms.log), strict=True))
    paths = {place: rooms.receipts / f"{wanted[place][1]}.receipt.json" for place in raws}
    write_durably({paths[place]: raw for place, raw in raws.items()})
    return [ReceiptNote(wanted[place][0], str(paths[place]), hashlib.sha256(raw).hexdigest(), place) for place, raw in raws.items()]
