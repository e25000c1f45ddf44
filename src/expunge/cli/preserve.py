"""``expunge preserve``: evidence that somebody seals before it is erased."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from expunge.app import preserving
from expunge.cli.requests import Categories, Items, Since, moment, scope
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, relative, table

app = typer.Typer(help="Keep a sealed copy as evidence, unknown to the other members.", no_args_is_help=True)

CopyName = Annotated[str, typer.Argument(metavar="COPY", help="A copy's id, as `expunge preserve list` shows it.")]
Opener = Annotated[str, typer.Option(help="ROLE:NAME, with a role of the policy's `holds.open`.")]


@app.command()
def keep(
    subject: Annotated[str, typer.Argument(metavar="KIND:KEY", help="Of whom: the person who asks, or their household.")],
    until: Annotated[str, typer.Option(help="Until when it is kept (ISO 8601, UTC), within the policy's `holds.longest`.")],
    because: Annotated[str, typer.Option(help="Why; it is sealed with the copy.")],
    by: Annotated[str, typer.Option(help="Who asks, as a subject, e.g. adult:12.")],
    policy: PolicyPath = DEFAULT_POLICY,
    category: Categories = None,
    since: Since = None,
    before: Annotated[str | None, typer.Option("--before", help="Only what was captured before this date or time (ISO 8601, UTC).")] = None,
    item: Items = None,
    json: AsJson = False,
) -> None:
    """Seal a copy under a key of its own. No request, receipt or letter tells of it."""
    end = moment(until, "--until")
    assert end is not None
    with opened(policy) as library:
        copy = preserving.preserve(library, subject, scope(category, since, before, item), until=end, because=because, by=by)
    if json:
        document(preserving.as_json(copy))
    else:
        out.print(f"{copy.id}: sealed, and kept until {copy.until:%Y-%m-%d %H:%M} UTC")


@app.command(name="open")
def open_copy(
    copy: CopyName,
    to: Annotated[Path, typer.Option("--to", help="The ZIP to write; a new file.", dir_okay=False)],
    by: Opener,
    second: Opener,
    authority: Annotated[str, typer.Option(help="On what it is opened, e.g. a court's order; never a person's name: it is logged.")],
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Open a copy: two people of two roles. The evidence log says so first."""
    with opened(policy) as library:
        preserving.open_copy(library, copy, to, preserving.Openers(by, second, authority))
        told = preserving.about(library, copy)
    if json:
        document({"copy": copy, "path": str(to), "about": dict(told)})
    else:
        out.print(f"{copy}: opened into [bold]{relative(to)}[/]; it was asked for because: ", end="")
        out.print(str(told["because"]), markup=False)


@app.command(name="list")
def list_copies(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Every copy that was ever made and until when it is kept. For staff: it doesn't tell whose they are."""
    with opened(policy) as library:
        found = preserving.copies(library)
    if json:
        document([preserving.as_json(one) for one in found])
        return
    when = "{:%Y-%m-%d %H:%M}"
    rows = [(one.id, when.format(one.kept_at), when.format(one.until), when.format(one.ended_at) if one.ended_at else "") for one in found]
    table("", ("copy", "kept", "until (UTC)", "ended"), rows)
