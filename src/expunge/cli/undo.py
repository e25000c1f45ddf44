"""``expunge undo``: take back what can still be taken back, and the members' words on the end of their household."""

from __future__ import annotations

from typing import Annotated

import typer

from expunge.app import undoing
from expunge.cli.requests import moment
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table

household = typer.Typer(help="What members say to the end of their household.", no_args_is_help=True)

RequestName = Annotated[str, typer.Argument(metavar="REQUEST", help="A request's id.")]
Member = Annotated[str, typer.Option(help="Who says so, as a subject, e.g. adult:12.")]
Operator = Annotated[str, typer.Option(help="The operator who does it.")]


def undo(
    request: RequestName,
    by: Annotated[str, typer.Option(help="Who takes it back: a role for a person, a name for an operator.")] = "data subject",
    device_known_since: Annotated[
        str | None, typer.Option(help="Since when (ISO 8601, UTC) the account has known the device that this comes from.")
    ] = None,
    second: Annotated[str | None, typer.Option(help="A second operator, where the device is new or there is none.")] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Undo a request within its window: the data is there again and nothing was erased.

    Exit 35 when its time is over, 34 when the device was not known long enough before the request.
    """
    who = undoing.Undoer(by, moment(device_known_since, "--device-known-since"), second)
    with opened(policy) as library:
        window = undoing.undo(library, request, who)
    if json:
        document(undoing.as_json(window))
    else:
        out.print(f"{request}: undone; nothing was erased")


@household.command()
def agree(request: RequestName, by: Member, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """An adult's word for the end of their household; with two adults' it comes sooner."""
    with opened(policy) as library:
        window = undoing.agree(library, request, by=by)
    _answer(window, json)


@household.command(name="object")
def object_to(request: RequestName, by: Member, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """A member's word against the end of their household; an operator decides, and until then nothing is destroyed."""
    with opened(policy) as library:
        window = undoing.object_to(library, request, by=by)
    _answer(window, json)


@household.command()
def decide(
    request: RequestName,
    by: Operator,
    second: Annotated[str, typer.Option(help="A second operator.")],
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Two operators let it go on although a member objects. To end it instead, `expunge undo` it."""
    with opened(policy) as library:
        window = undoing.decide(library, request, by=by, second=second)
    _answer(window, json)


def undoable(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """The requests that can still be undone, by their end."""
    with opened(policy) as library:
        found = undoing.open_windows(library)
    if json:
        document([undoing.as_json(one) for one in found])
        return
    rows = [
        (one.request_id, f"{one.until:%Y-%m-%d %H:%M}", "household" if one.household else "", undoing.waits_for(one) or "") for one in found
    ]
    table("", ("request", "until (UTC)", "of", "waits for"), rows)


def _answer(window: undoing.Window, json: bool) -> None:  # noqa: FBT001  # the command's own switch
    if json:
        document(undoing.as_json(window))
        return
    waits = undoing.waits_for(window)
    out.print(f"{window.request_id}: can be undone until {window.until:%Y-%m-%d %H:%M} UTC" + (f"; waits for {waits}" if waits else ""))


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (undo, undoable):
        app.command()(command)
    app.add_typer(household, name="household")
