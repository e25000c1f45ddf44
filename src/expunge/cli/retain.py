"""``expunge retain``: what has come to its term, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from expunge.app import choosing, purging, retaining, sweeps
from expunge.app.ageing import write_report
from expunge.cli import exits
from expunge.cli.present import progress, show_runs
from expunge.cli.requests import moment
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, err, opened, out, relative, table
from expunge.errors import InvalidRequest
from expunge.policy.retention_written import choice
from expunge.retain.outlook import Due

app = typer.Typer(help="End what has come to its term.", no_args_is_help=True)

By = Annotated[str, typer.Option("--by", help="Who does this.")]
Patience = Annotated[float, typer.Option(help="Seconds to wait for a store that is away; what was begun stays either way.")]


@app.command()
def due(
    at: Annotated[
        str | None, typer.Option("--at", help="At this date or time (ISO 8601, UTC), months ahead too; now, if left out.")
    ] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Show what has come to its term, or will have: how many records of which collection, since when, and by which term. Writes nothing."""
    with opened(policy) as library:
        found = retaining.outlook(library.rooms, moment(at, "--at"))
    if json:
        document(found.as_json())
        return
    _show_due(f"at {found.at:%Y-%m-%d %H:%M} UTC", found.due)
    _show_undated(found.undated)
    out.print(f"[bold]{found.records:,}[/] records have come to their term; `expunge retain sweep` ends them")


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would end, and what it would wait for.")] = False,
    by: By = "operator",
    patience: Patience = 20.0,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """End what has come to its term, now: file it by term, erase it, verify, and write receipts that name nobody.

    Above the blast radius it waits for `expunge approve`, unless somebody else has approved this policy's sweeps (`expunge retain
    approve`); above the breaker's share of a collection it always does. Exit 82 while something is not complete, and waits for no approval.
    """
    with opened(policy) as library, progress(library, quiet=json) as watch:
        done = sweeps.sweep(library.rooms, by=by, dry_run=dry_run)
        standings = [
            standing
            for started in done.started
            for standing in library.carry_out(started, patience=timedelta(seconds=patience), watch=watch)
        ]
    if json:
        document({**done.as_json(), "dry_run": dry_run})
    else:
        _show_due("", done.due)
        _show_undated(done.undated)
        for reason in done.waits:
            out.print(f"[yellow]waits for a person[/] {reason}", markup=True)
        for term in done.busy:
            out.print(f"an earlier sweep of {term} is still at work")
        if standings:
            show_runs(standings)
        out.print(f"[bold]{done.records:,}[/] records {'would end' if dry_run else 'have come to their term'}")
    fault = exits.of_runs(standings)
    if fault is not None:
        raise fault


@app.command()
def approve(
    by: Annotated[str, typer.Option("--by", help="Who approves.")], policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False
) -> None:
    """A second person's word on all sweeps by this policy's terms: read `expunge retain due` first. A changed policy needs another word."""
    with opened(policy) as library:
        word = sweeps.approve(library.rooms, by=by)
    if json:
        document({"policy": word.policy_digest, "by": word.by, "at": word.at.isoformat()})
    else:
        out.print(f"the sweeps of policy {word.policy_digest[:12]} are approved; the breaker still stops one that would take too much")


@app.command()
def choose(
    household: Annotated[str, typer.Argument(metavar="KIND:KEY", help="The household: e.g. household:12.")],
    category: Annotated[str, typer.Argument(help="The data category, and what lies in it.")],
    keep: Annotated[
        str, typer.Argument(help="One of the policy's choices: immediately, `3 months` …; or `policy`, to go back to its term.")
    ],
    by: By = "household",
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Let a household keep a category for less than the policy's term, from the next sweep on. Never for longer."""
    with opened(policy) as library:
        if keep == "policy":
            had = choosing.unchoose(library.rooms, household, category)
            told = "back to the policy's terms" if had else "there was no choice; the policy's terms stand"
            document({"category": category, "chosen": None, "had_choice": had}) if json else out.print(told)
            return
        done = choosing.choose(library.rooms, household, category, _length(keep), by=by)
    collections = sorted({f"{rule.collection} ({rule.kind})" for rule in done.rules})
    if json:
        document({"category": category, "chosen_days": done.keep / timedelta(days=1), "ends_earlier": list(collections)})
    else:
        out.print(f"chosen; from the next sweep on these end earlier: {', '.join(collections)}")


@app.command()
def purge(
    categories: Annotated[list[str], typer.Argument(help="The data categories, with what lies in them.")],
    before: Annotated[str, typer.Option("--before", help="What was captured before this date or time (ISO 8601, UTC).")],
    because: Annotated[str, typer.Option("--because", help="Why, as it shall stand in the receipt; it names no person.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would end; file nothing.")] = False,
    by: By = "operator",
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """End everything of these categories that was captured before a date, whoever it is of, and what was made from it.

    It always waits for a second person: `expunge approve RUN --digest DIGEST --by SOMEBODY`, then `expunge work`.
    """
    until = moment(before, "--before")
    assert until is not None
    with opened(policy) as library:
        done = purging.purge(library.rooms, categories, until, because=because, by=by, dry_run=dry_run)
    if json:
        document(done.as_json())
        return
    rows = [(address, f"{count:,}", f"{done.held.get(address, 0):,}") for address, count in done.records.items()]
    table(f"before {until:%Y-%m-%d %H:%M} UTC", ("collection", "records", "under a hold"), rows, right=("records", "under a hold"))
    for address, count in done.cut.items():
        out.print(f"{address}: {count:,} references to what goes are cut", markup=False)
    for address, why in done.unreached.items():
        err.print(f"[yellow]not reached[/] {address}: {why}")
    for run in done.started.runs if done.started is not None else ():
        out.print(f"{run.id} waits for a second person: expunge approve {run.id} --digest {run.plan_digest} --by …", markup=False)


@app.command()
def report(
    to: Annotated[Path, typer.Option("--out", help="The HTML file to write.", dir_okay=False)] = Path("retention.html"),
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Write a page with a chart of the age of what is held against its term, by category and kind. It loads nothing from elsewhere."""
    with opened(policy) as library:
        found = write_report(library.rooms, to)
    if json:
        document({"path": str(to), **found.as_json()})
    else:
        out.print(f"{found.records:,} records in {len(found.ages)} rows, {found.overdue:,} past their term: [bold]{relative(to)}[/]")


def _length(text: str) -> timedelta:
    try:
        return choice(text)
    except ValueError as fault:
        raise InvalidRequest(str(fault)) from None


def _show_due(title: str, found: Sequence[Due]) -> None:
    rows = [
        (
            one.rule.name,
            one.rule.collection + (f" ({', '.join(one.rule.fields)})" if one.rule.fields else ""),
            f"{one.records:,}",
            f"{one.first:%Y-%m-%d}" if one.first else "",
            one.rule.why,
        )
        for one in found
        if one.records
    ]
    table(title, ("term", "collection", "records", "first due", "why"), rows, right=("records",))


def _show_undated(found: Mapping[str, int]) -> None:
    for address, count in found.items():
        err.print(f"[yellow]undated[/] {address}: {count:,} records have no time that can be read, so that no term ends them")
