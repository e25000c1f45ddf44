"""``expunge outbox …``: what is sent to people, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from expunge.app.campaigns import Counted, audience_of, count_campaign, post_campaign, standing
from expunge.app.posting import bounce, read_bounces, recent, send_letters
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.errors import InvalidRequest
from expunge.terms import Json

app = typer.Typer(help="Send letters to people, and see what became of them.", no_args_is_help=True)


@app.command()
def send(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Send what is due, by the channels that the environment sets. `expunge work` does it too."""
    with opened(policy) as library:
        done = send_letters(library)
    if json:
        document(dict(done))
    else:
        out.print(", ".join(f"{count} {state}" for state, count in sorted(done.items())) or "nothing is due")


@app.command()
def show(
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """The latest letters: kind, state, attempts, fault. Addresses and texts are not shown."""
    with opened(policy) as library:
        found = recent(library, campaign)
    rows = [
        (one.id, one.channel, one.template, one.campaign, one.state.value, one.attempts, one.fault, one.due.isoformat(timespec="minutes"))
        for one in found
    ]
    columns = ("letter", "channel", "template", "campaign", "state", "attempts", "fault", "due")
    if json:
        document([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        table("", columns, rows, right=("attempts",))


@app.command("bounce")
def bounced(
    letter: Annotated[str, typer.Argument(help="The letter's id.")],
    code: Annotated[str, typer.Option(help="Why, as a code: the status that the report gave.")] = "by-hand",
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Say that a letter came back."""
    with opened(policy) as library:
        changed = bounce(library, letter, code)
    if json:
        document({"letter": letter, "changed": changed})
    else:
        out.print("noted" if changed else "it was no longer on its way; nothing changed")


@app.command("read-bounces")
def read(
    mailbox: Annotated[Path, typer.Argument(help="An mbox file, one message, or a folder of messages.")],
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Note what mail servers reported about letters (delivery status notifications, RFC 3464)."""
    with opened(policy) as library:
        told = read_bounces(library, mailbox)
    if json:
        document(dict(told))
    else:
        out.print(", ".join(f"{count} {word}" for word, count in sorted(told.items())) or "no report in it")


@app.command()
def campaign(
    template: Annotated[str, typer.Argument(help="The letter's text: practice, order, or one of your own.")],
    name: Annotated[str, typer.Option(help="The campaign's name; the same name goes on with the same campaign.")],
    to: Annotated[str, typer.Option(help="A kind of subject, or guardians:KIND.")],
    channel: Annotated[str, typer.Option(help="email or text.")] = "email",
    field: Annotated[list[str] | None, typer.Option(help="NAME=TEXT for a field of the letter; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Post one letter to every member of a class, once, however often it is begun again. `expunge outbox send` sends them."""
    fields = _fields(field or ())
    with opened(policy) as library:
        if dry_run:
            found = count_campaign(library, audience_of(library.policy.catalog, to, channel))
        else:
            found = post_campaign(library, name, template, to, channel, fields)
    _show(found, as_json=json)


@app.command()
def progress(
    name: Annotated[str, typer.Argument(help="The campaign's name.")], policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False
) -> None:
    """Where a campaign stands."""
    with opened(policy) as library:
        _show(standing(library, name), as_json=json)


def _show(found: Counted, *, as_json: bool) -> None:
    states: dict[str, Json] = {state.value: count for state, count in found.states.items()}
    whole = found.campaign is None or found.campaign.listed_at is not None
    if as_json:
        document({"members": found.members, "unreached": found.unreached, "listed": whole, "states": states})
        return
    out.print(f"{found.members} members are written to, {found.unreached} have no address or are being erased")
    if not whole:
        out.print("[yellow]the list was not gone through to its end[/]: run the same command again")
    for state, count in states.items():
        out.print(f"  {count} {state}")


def _fields(given: Sequence[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name or name in fields:
            raise InvalidRequest("a field is written NAME=TEXT, each name once")
        fields[name] = text
    return fields
