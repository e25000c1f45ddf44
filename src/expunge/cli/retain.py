"""``expunge retain``: what has come to its term, and its end."""

from __future__ import annotations

from typing import Annotated

import typer

from expunge.app import retaining
from expunge.cli.requests import moment
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, err, opened, out, table

app = typer.Typer(help="End what has come to its term.", no_args_is_help=True)


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
    rows = [
        (
            one.rule.name,
            one.rule.collection + (f" ({', '.join(one.rule.fields)})" if one.rule.fields else ""),
            f"{one.records:,}",
            f"{one.first:%Y-%m-%d}" if one.first else "",
            one.rule.why,
        )
        for one in found.due
        if one.records
    ]
    table(f"at {found.at:%Y-%m-%d %H:%M} UTC", ("term", "collection", "records", "first due", "why"), rows, right=("records",))
    for address, count in found.undated.items():
        err.print(f"[yellow]undated[/] {address}: {count:,} records have no time that can be read, so that no term ends them")
    out.print(f"[bold]{found.records:,}[/] records have come to their term; `expunge retain sweep` ends them")
