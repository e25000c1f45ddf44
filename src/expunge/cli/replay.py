"""``expunge replay``: what an operator does after a backup was put back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from expunge.app.library import PATIENCE, Standing, as_json
from expunge.cli import exits
from expunge.cli.present import progress, show_standing
from expunge.cli.requests import moment
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.erase.replay import Replayed
from expunge.errors import Incomplete


def replay(
    store: Annotated[str, typer.Argument(help="The store that was restored, by its name in the policy.")],
    policy: PolicyPath = DEFAULT_POLICY,
    taken: Annotated[
        str | None,
        typer.Option(help="When the backup was taken (ISO 8601, UTC), if known: what is dated later did not come out of it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: how many people and records came back, and where.")] = False,
    by: Annotated[str, typer.Option(help="Who runs this; above the blast radius somebody else must approve.")] = "operator",
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for a store that is away; the run stays either way.")
    ] = PATIENCE.total_seconds(),
    json: AsJson = False,
) -> None:
    """After a restore: recognise by the tombstones whom and what came back, and erase it again, in every store.

    Who signed up again since keeps what is new. Exit 0 only when all that came back is erased and verified, and nothing is left undecided.
    """
    taken_at = moment(taken, "--taken")
    with opened(policy) as library, progress(library, quiet=json) as watch:
        replayed, standings = library.replay(
            store, taken_at=taken_at, dry_run=dry_run, by=by, patience=timedelta(seconds=patience), watch=watch
        )
        faults = [exits.of_batch(library, one, standings) for one in replayed.started]
    if json:
        document(
            {
                "store": replayed.store,
                "dry_run": dry_run,
                "fields": dict(replayed.fields),
                "people": replayed.people,
                "again": replayed.again,
                "returned": replayed.returned,
                "records": dict(replayed.records),
                "undecided": [one.as_json() for one in replayed.undecided],
                "unlooked": list(replayed.unlooked),
                "needs_approval": replayed.needs_approval,
                "runs": [as_json(one) for one in standings],
            }
        )
    else:
        _show(replayed, standings, dry_run=dry_run)
    for fault in faults:
        if fault is not None:
            raise fault
    if replayed.undecided and not dry_run:
        raise Incomplete("what is undecided was left as it is; docs/adr/0009-replay.md says how to decide it", where=replayed.store)


def _show(replayed: Replayed, standings: Sequence[Standing], *, dry_run: bool) -> None:
    if replayed.fields:
        table(f"named in {replayed.store}", ("field", "erased before"), sorted(replayed.fields.items()), right=("erased before",))
    out.print(f"{replayed.people} people recognised, {replayed.returned} with records that came back, {replayed.again} signed up again")
    if replayed.records:
        table("came back", ("collection", "records"), sorted(replayed.records.items()), right=("records",))
    for one in replayed.undecided:
        out.print(f"[yellow]undecided[/] {one.place}: {one.count} {one.why}")
    for address in replayed.unlooked:
        out.print(f"  single items not looked for in {address}: no one field is declared to be its primary key", style="dim")
    if dry_run and replayed.needs_approval:
        out.print("[yellow]needs a second person's approval[/]")
    for standing in standings:
        show_standing(standing)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)
