"""What plans, runs and incidents look like on a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.status import Status

from expunge.app.library import Expunge, Incident, Lease, Standing, as_json
from expunge.cli.show import document, err, out, relative, table
from expunge.erase.intake import Preview, Started
from expunge.erase.runner import Watcher
from expunge.terms import Json

DOING: Mapping[str, str] = {
    "wave": "waiting for the wave before",
    "locate": "locating",
    "before": "counting",
    "erase": "erasing",
    "keys": "destroying keys",
    "reclaim": "reclaiming",
    "after": "verifying",
    "receipt": "writing receipts",
    "close": "closing",
}


LOOK_EVERY = 0.5
"""Seconds between looks at the journal for the moving line: one query, twice a second."""


@contextmanager
def progress(library: Expunge, *, quiet: bool) -> Iterator[Watcher]:
    """A watcher that shows on stderr what is being done: on a terminal one moving line, and a line for whatever went wrong."""
    told: set[tuple[str, str]] = set()
    working: list[Lease] = []

    def watch(lease: Lease, event: str, result: Json) -> None:
        working[:] = [lease] if event == "started" else []
        if event in ("retry", "stopped", "waiting") and not quiet and isinstance(result, Mapping):
            word = {"retry": "will be tried again", "stopped": "stopped", "waiting": "waits"}[event]
            why = str(result.get("message") or result.get("why"))
            if (lease.name, why) in told:
                return
            told.add((lease.name, why))
            err.print(f"[yellow]{word}[/] {_doing(lease)}:", end=" ")
            err.print(why, markup=False)

    if quiet or not err.is_terminal:
        yield watch
        return
    ended = threading.Event()
    with Status("", console=err) as status:
        line = threading.Thread(target=_move, args=(library, working, status, ended), daemon=True)
        line.start()
        try:
            yield watch
        finally:
            ended.set()
            line.join()


def _move(library: Expunge, working: list[Lease], status: Status, ended: threading.Event) -> None:
    """Keep the line true until told to end."""
    while not ended.wait(LOOK_EVERY):
        for lease in list(working):
            steps = library.status(lease.run_id).steps
            done = sum(1 for step in steps if step.status.value == "done")
            own = next((step for step in steps if step.name == lease.name), None)
            total = _mapping(own.payload).get("records") if own is not None else None
            records = f", {own.done:,} of {_whole(total):,} records" if own is not None and total is not None else ""
            status.update(f"{_doing(lease)} (step {done + 1} of {len(steps)}{records})")


def _doing(lease: Lease) -> str:
    where = ".".join(part for part in (lease.store, lease.collection) if part)
    return f"{DOING.get(lease.kind, lease.kind)} {where}".rstrip()


def show_preview(shown: Preview, *, as_json: bool) -> None:
    """A dry run."""
    plan = shown.sight.plan
    counts: dict[str, int] = {}
    for target in shown.work.targets:
        counts[target.act] = counts.get(target.act, 0) + len(target.addresses)
    if as_json:
        acts = [{**act, "records": counts.get(str(act["name"]), 0)} for act in (dict(one) for one in map(_mapping, _acts(plan.as_json())))]
        document(
            {
                "plan_digest": plan.digest,
                "policy": plan.policy_digest,
                "people": shown.people,
                "unknown": len(shown.unknown),
                "needs_approval": shown.needs_approval,
                "acts": acts,
                "untouched": dict(plan.untouched),
                "undated": dict(shown.work.undated),
                "kept": {address: sum(found.values()) for address, found in shown.work.kept.items()},
                "warnings": [one.as_json() for one in shown.sight.warnings],
            }
        )
        return
    rows = []
    for act in plan.acts:
        records = sum(shown.work.kept.get(act.collection, {}).values()) if act.what == "keep" else counts.get(act.name, 0)
        if records or act.what in ("erase", "keep", "fields"):
            what = {"keep": "keep"}.get(act.what, act.method.value if act.method else act.what)
            fields = f" {', '.join(act.fields)}" if act.fields else ""
            rows.append((act.collection, f"{what}{fields}", records, act.reason))
    table(
        f"Dry run: {shown.people} {'person' if shown.people == 1 else 'people'}",
        ("collection", "what", "records", "because"),
        rows,
        right=("records",),
    )
    for problem in shown.sight.warnings:
        err.print(f"[yellow]warning[/] {problem}")
    for address, why in plan.untouched.items():
        out.print(f"  untouched {address}: {why}", style="dim")
    for address, count in shown.work.undated.items():
        out.print(f"  not in the range, since they have no date: {count} records of {address}")
    out.print(f"plan {plan.digest}" + ("  [yellow]needs a second person's approval[/]" if shown.needs_approval else ""))


def _acts(plan: Json) -> Sequence[Json]:
    acts = _mapping(plan).get("acts")
    return acts if isinstance(acts, Sequence) and not isinstance(acts, str) else ()


def show_started(started: Started, standings: Sequence[Standing], *, as_json: bool) -> None:
    """What became of a batch."""
    if as_json:
        document(
            {
                "requests": [
                    {"id": one.id if one else None, "outcome": started.outcomes.get(place)} for place, one in enumerate(started.requests)
                ],
                "runs": [_standing_json(one) for one in standings],
            }
        )
        return
    for place, outcome in started.outcomes.items():
        request = started.requests[place]
        out.print(f"subject {place + 1}: {outcome}" + (f" (request {request.id})" if request else ""))
    for standing in standings:
        show_standing(standing)


def show_standing(standing: Standing) -> None:
    """One run: what each collection showed, what waits, where the receipts are."""
    run = standing.run
    located = next((step.result for step in standing.steps if step.kind == "locate"), None)
    found = _mapping(_mapping(located).get("located"))
    if found:
        rows = [(address, count, *_seen(standing, address, _whole(count))) for address, count in found.items() if count]
        table(
            f"run {run.id}",
            ("collection", "located", "before", "after", "history", "reclaimed"),
            rows,
            right=("located", "before", "after", "history"),
        )
    for step in standing.waiting:
        when = f", next try {step.due:%H:%M:%S} UTC" if step.due and step.status.value == "waiting" else ""
        out.print(f"[yellow]{step.status.value}[/] {step.name}{when}:", end=" ")
        out.print(str(step.error_message), markup=False)
    if standing.complete:
        out.print(f"[green]complete[/], {run.status.value}" + (f", pending until {_pending(standing)}" if _pending(standing) else ""))
    elif run.needs_approval and run.approved_by is None:
        out.print(f"[yellow]awaiting approval[/] of {run.plan_digest}\n  expunge approve {run.id} --digest {run.plan_digest} --by NAME")
    else:
        out.print(f"[yellow]incomplete[/]: `expunge work {run.id}` continues it")
    for one in standing.receipts:
        if one.request_id is not None:
            out.print(f"receipt [bold]{relative(one.path)}[/]")


def _seen(standing: Standing, address: str, count: int) -> tuple[object, object, object, object]:
    """before, after, history, reclaimed of one collection, as far as known."""
    before = after = history = None
    for step in standing.steps:
        if f"{step.store}.{step.collection}" == address and step.kind in ("before", "after"):
            targets = [_mapping(one) for one in _mapping(_mapping(step.result).get("targets")).values()]
            if step.kind == "before" and targets:
                before = count + sum(_whole(one.get("live")) - _whole(one.get("matches")) for one in targets)
            elif targets:
                after = sum(_whole(one.get("live")) for one in targets)
                told = [one.get("history") for one in targets]
                history = "?" if None in told else str(sum(_whole(one) for one in told))
    store = address.split(".", 1)[0]
    reclaimed = next((step.result for step in standing.steps if step.name == f"reclaim:{store}"), None)
    how = _mapping(_mapping(_mapping(reclaimed).get("collections")).get(address)).get("how")
    return before, after, history, how


def _pending(standing: Standing) -> Json:
    result = next((step.result for step in standing.steps if step.kind == "receipt"), None)
    return _mapping(result).get("pending_until")


def show_runs(standings: Sequence[Standing]) -> None:
    """All runs, a line each."""
    rows = []
    for one in standings:
        waiting = one.waiting[0].error_code if one.waiting else ""
        rows.append((one.run.id, one.run.status.value, len(one.requests), f"{one.run.started_at:%Y-%m-%d %H:%M}", waiting))
    table("", ("run", "status", "requests", "started (UTC)", "waiting for"), rows, right=("requests",))


def show_incidents(found: Sequence[Incident], *, as_json: bool) -> None:
    """Incidents."""
    if as_json:
        document(
            [
                {
                    "id": one.id,
                    "kind": one.kind,
                    "control": one.control,
                    "owner": one.owner,
                    "due": one.due.isoformat(),
                    "opened_at": one.opened_at.isoformat(),
                    "closed_at": one.closed_at.isoformat() if one.closed_at else None,
                    "reopened": one.reopened,
                    "note": one.note,
                }
                for one in found
            ]
        )
        return
    rows = [
        (one.id, one.kind, one.owner, f"{one.due:%Y-%m-%d %H:%M}", one.reopened, "open" if one.is_open else "closed", one.note)
        for one in found
    ]
    table("", ("incident", "kind", "owner", "due (UTC)", "reopened", "state", "what"), rows, right=("reopened",))


_standing_json = as_json


def _mapping(value: object) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0
