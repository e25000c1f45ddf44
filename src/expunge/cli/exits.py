"""What keeps a command from ending with 0: exit 0 is only ever "done", and whatever isn't known to be done is not.

A fault is given, not raised, so that a command can show what it has to show before it ends with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from expunge.app.library import Expunge, Standing
from expunge.erase.intake import Started
from expunge.errors import ExpungeError, Incomplete, RunUnfinished, UnknownRequest, UnknownSubject


def of_batch(library: Expunge, started: Started, standings: Sequence[Standing]) -> ExpungeError | None:
    """Why not everybody in a batch ended as erased and verified, or erased before; what others wait for comes before who is unknown."""
    served = {request.id for one in standings for request in one.requests}
    places: dict[str, list[int]] = {}
    for place, request in enumerate(started.requests):
        outcome = started.outcomes.get(place)
        if outcome is None:
            outcome = "served" if request is not None and request.id in served else "open"
        elif outcome == "duplicate":
            outcome = "served" if request is not None and _has_ended(library, request.id) else "open"
        places.setdefault(outcome, []).append(place)
    for done in ("served", "already-erased"):
        places.pop(done, None)
    unknown = places.pop("unknown", [])
    first = next((fault for one in standings if (fault := of_run(one)) is not None), None)
    if first is not None:
        return first
    if places:
        outcome, which = next(iter(places.items()))
        request = started.requests[which[0]]
        return RunUnfinished(f"{_name(which)}: {_WAITS.get(outcome, outcome)}", where=request.id if request else "")
    for one in standings:
        if one.undated:
            counts = ", ".join(f"{count} of {address}" for address, count in one.undated.items())
            return Incomplete(f"records without a date could not be told to lie in the range, and were left: {counts}", where=one.run.id)
    return UnknownSubject(f"{_name(unknown)}: no listed store knows them; all others are done") if unknown else None


_WAITS = {
    "held": "under a legal hold, so nothing of theirs was erased; the request waits until the hold ends, then `expunge work` serves it",
    "hidden": "hidden, so that every door refuses; erased when the time is over in which it can be undone (`expunge undoable`)",
    "open": "an earlier request for the same is still open, and this call erased nothing of theirs; `expunge work` continues it",
}


def of_runs(standings: Iterable[Standing]) -> RunUnfinished | None:
    """The first of these runs that a worker or an operator has yet to bring to its end; an approval is nobody's failure."""
    return next((fault for one in standings if not needs_approval(one) and (fault := of_run(one)) is not None), None)


def of_run(standing: Standing) -> RunUnfinished | None:
    """Why a run isn't done; nothing, if it was taken back or is complete: what only time ends may be pending then."""
    run = standing.run
    if standing.waiting:
        why = str(standing.waiting[0].error_message)
    elif standing.complete or run.status.value == "withdrawn":
        return None
    elif needs_approval(standing):
        why = "a second person must approve the dry run"
    elif run.waits_for:
        why = f"waits for {', '.join(run.waits_for)}"
    else:
        why = "steps are still waiting"
    return RunUnfinished(why, where=run.id)


def needs_approval(standing: Standing) -> bool:
    """Whether a second person has yet to approve it."""
    return standing.run.needs_approval and standing.run.approved_by is None


def _has_ended(library: Expunge, request_id: str) -> bool:
    """Whether the run that serves an earlier request is done by now."""
    try:
        return of_run(library.status(library.find_run(request_id))) is None
    except UnknownRequest:  # no run serves it yet
        return False


def _name(places: Sequence[int]) -> str:
    """Subjects by their place in the batch, as the command lists them: never by what they were named with."""
    return f"subject {places[0] + 1}" + (f" and {len(places) - 1} more" if len(places) > 1 else "")
