"""``expunge holds``: duties to keep, by two people, with an end."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from expunge.app import holding
from expunge.cli.requests import Categories, Items, Since, moment, scope
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.errors import InvalidRequest
from expunge.terms import Json

app = typer.Typer(help="Keep what a court or a claim asks for, and for how long.", no_args_is_help=True)

HoldName = Annotated[str, typer.Argument(metavar="HOLD", help="A hold's id, as `expunge holds list` shows it.")]
By = Annotated[str, typer.Option(help="Who says so: ROLE:NAME, with a role of the policy's `holds`.")]
End = Annotated[str, typer.Option("--until", help="When it ends: a date or time (ISO 8601, UTC), within the policy's `holds.longest`.")]
Authority = Annotated[str, typer.Option(help="On what it rests, e.g. a court's order and its number; never a person's name.")]


@app.command()
def place(
    subject: Annotated[str, typer.Argument(metavar="KIND:KEY", help="Whose records; a household's are all its members' too.")],
    until: End,
    authority: Authority,
    by: By,
    because: Annotated[str, typer.Option(help="Why, in words that the person may read; no names.")] = "legal proceedings",
    policy: PolicyPath = DEFAULT_POLICY,
    category: Categories = None,
    since: Since = None,
    before: Annotated[str | None, typer.Option("--before", help="Only what was captured before this date or time (ISO 8601, UTC).")] = None,
    item: Items = None,
    gag_authority: Annotated[str | None, typer.Option(help="On what the duty rests not to tell the person.")] = None,
    gag_until: Annotated[str | None, typer.Option(help="When that duty ends (ISO 8601, UTC).")] = None,
    json: AsJson = False,
) -> None:
    """Ask for a hold. It keeps from now on, and lapses unless a second person confirms it (`expunge holds confirm`)."""
    if (gag_authority is None) != (gag_until is None):
        raise InvalidRequest("a gag has an authority and an end: give --gag-authority and --gag-until")
    end, silent = moment(until, "--until"), moment(gag_until, "--gag-until")
    assert end is not None
    gag = holding.Gag(gag_authority, silent) if gag_authority is not None and silent is not None else None
    with opened(policy) as library:
        named = scope(category, since, before, item)
        hold = holding.place(library, subject, named, until=end, authority=authority, reason=because, by=by, gag=gag)
        told = holding.as_json(library, hold)
    _answer(told, f"{hold.id}: keeps from now on; a second person confirms it until {hold.until:%Y-%m-%d %H:%M} UTC", json)


@app.command()
def confirm(hold: HoldName, by: By, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """A second person's word on a hold, or on its renewal. The people it is about are told, unless it is gagged."""
    with opened(policy) as library:
        found = holding.confirm(library, hold, by=by)
        told = holding.as_json(library, found)
    _answer(told, f"{found.id}: stands until {found.until:%Y-%m-%d %H:%M} UTC", json)


@app.command()
def renew(hold: HoldName, until: End, authority: Authority, by: By, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Ask for another end of a hold that stands; a second person confirms it, or the old end counts."""
    end = moment(until, "--until")
    assert end is not None
    with opened(policy) as library:
        found = holding.renew(library, hold, until=end, authority=authority, by=by)
        told = holding.as_json(library, found)
    _answer(told, f"{found.id}: stands until {found.until:%Y-%m-%d %H:%M} UTC, longer once a second person confirms it", json)


@app.command()
def lift(hold: HoldName, by: By, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """End a hold now. `expunge work` then erases what it kept waiting."""
    with opened(policy) as library:
        found = holding.lift(library, hold, by=by)
        told = holding.as_json(library, found)
    _answer(told, f"{found.id}: lifted; `expunge work` does what waited for it", json)


@app.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="KIND:KEY", help="Who: e.g. child:17.")],
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """What a person is to be told of holds on them: those that stand and are not gagged."""
    with opened(policy) as library:
        told = holding.shown_to(library, subject)
    _list(told, json)


@app.command(name="list")
def list_holds(
    subject: Annotated[str | None, typer.Argument(metavar="[KIND:KEY]", help="On whom; all holds, if not given.")] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Every hold that was ever placed, with what was said about it; gagged ones too: it is for staff."""
    with opened(policy) as library:
        found = holding.holds_on(library, subject) if subject is not None else library.rooms.journal.all_holds()
        told = [holding.as_json(library, one) for one in found]
    _list(told, json)


def _answer(told: Json, line: str, json: bool) -> None:  # noqa: FBT001  # the command's own switch
    if json:
        document(told)
    else:
        out.print(line)


def _list(told: list[Json], json: bool) -> None:  # noqa: FBT001  # the command's own switch
    if json:
        document(told)
        return
    rows = []
    for one in told:
        assert isinstance(one, dict)
        scope = (
            one["scope"] if isinstance(one["scope"], str) else ", ".join(f"{name} {value}" for name, value in one["scope"].items() if value)
        )
        state = one.get("state", "stands" if one["confirmed"] else "unconfirmed")
        rows.append((one["hold"], state, scope, str(one["until"])[:16], escape(str(one["authority"])), escape(str(one["reason"]))))
    table("", ("hold", "state", "scope", "until", "authority", "why"), rows)
