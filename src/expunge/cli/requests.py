"""``expunge plan``, ``erase``, ``access``: what a requester asks for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from expunge.app import undoing
from expunge.app.library import PATIENCE
from expunge.app.openings import new_secret_file
from expunge.cli import exits
from expunge.cli.present import progress, show_preview, show_started
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, relative
from expunge.errors import InvalidRequest
from expunge.terms import Scope, Span

Subjects = Annotated[list[str] | None, typer.Argument(metavar="KIND:KEY…", help="Who: e.g. child:17 or adult:email=ann@example.org.")]
From = Annotated[Path | None, typer.Option("--subjects-from", help="A file with one subject a line; - is stdin.", allow_dash=True)]
Categories = Annotated[list[str] | None, typer.Option("--category", help="Only this data category (and what lies in it). Repeatable.")]
Since = Annotated[str | None, typer.Option("--since", help="Only what was captured at or after this date or time (ISO 8601, UTC).")]
Until = Annotated[str | None, typer.Option("--until", help="Only what was captured before this date or time (ISO 8601, UTC).")]
Items = Annotated[list[str] | None, typer.Option("--item", help="Only this record: STORE.COLLECTION/KEY. Repeatable.")]


def plan(
    subjects: Subjects = None,
    policy: PolicyPath = DEFAULT_POLICY,
    subjects_from: From = None,
    category: Categories = None,
    since: Since = None,
    until: Until = None,
    item: Items = None,
    json: AsJson = False,
) -> None:
    """Dry run: what an erasure would do to how many records, in which order, and why. Writes nothing."""
    with opened(policy) as library:
        shown = library.plan(_subjects(subjects, subjects_from), scope(category, since, until, item))
        show_preview(shown, as_json=json)


def erase(
    subjects: Subjects = None,
    policy: PolicyPath = DEFAULT_POLICY,
    subjects_from: From = None,
    category: Categories = None,
    since: Since = None,
    until: Until = None,
    item: Items = None,
    requester: Annotated[
        str, typer.Option(help="The role of who asks: data subject, parent, court …; never a name, for it stands in the receipt.")
    ] = "data subject",
    authority: Annotated[
        str, typer.Option(help="How it was proven that they may ask; never a name or number of a person, for it stands in the receipt.")
    ] = "proven by the caller",
    by: Annotated[str, typer.Option(help="Who runs this; above the blast radius somebody else must approve.")] = "operator",
    now: Annotated[
        bool, typer.Option("--now", help="What a court or a term ends: without the time in which a person's request can be undone.")
    ] = False,
    asked_by: Annotated[str | None, typer.Option(help="The adult who asks for their household, as a subject: adult:12.")] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for a store that is away; the run stays either way.")
    ] = PATIENCE.total_seconds(),
    opening: Annotated[
        Path | None,
        typer.Option(
            help="A new file for the opening: for the requester only, to show whom the receipt is about. One subject.", dir_okay=False
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Erase: file the requests, plan, locate, erase, verify, and write receipts.

    Where the policy has an `undo`, what people ask for is hidden at once and erased when it can't be undone any more.

    Exit 0 only when everybody named was erased and verified in every listed store now, or had been before. Exit 82 while anything waits: a
    store, an approval, a legal hold, an earlier request for the same; it stays in the journal and `expunge work` continues it. Exit 31 when
    no store knows somebody named, 80 when records without a date were left out of a range of time; the others are done then.
    """
    named = _subjects(subjects, subjects_from)
    if opening is not None and len(named) > 1:
        raise InvalidRequest("an opening is handed to one person: file the others by themselves")
    with opened(policy) as library, progress(library, quiet=json) as watch:
        with new_secret_file(opening) if opening is not None else nullcontext() as hand_over:
            file = library.request if now else partial(undoing.request, library, asked_by=asked_by)
            started = file(named, scope(category, since, until, item), requester=requester, authority=authority, by=by)
            if hand_over is not None and (request := started.requests[0]) is not None:
                hand_over(library.opening(request.id))
        standings = library.carry_out(started, patience=timedelta(seconds=patience), watch=watch)
        fault = exits.of_batch(library, started, standings)
    show_started(started, standings, as_json=json)
    if fault is not None:
        raise fault


def access(
    subject: Annotated[str, typer.Argument(metavar="KIND:KEY", help="Who: e.g. child:17.")],
    to: Annotated[Path, typer.Option("--to", help="The ZIP to write; a new file.", dir_okay=False)] = Path("access.zip"),
    policy: PolicyPath = DEFAULT_POLICY,
    category: Categories = None,
    since: Since = None,
    until: Until = None,
    json: AsJson = False,
) -> None:
    """Write everything that the listed stores hold about one subject into a ZIP that a person can read.

    Exit 33 when there is a file of that name already: nothing is read or overwritten.
    """
    with opened(policy) as library:
        found = library.access(subject, to, scope=scope(category, since, until, None))
    if json:
        document(
            {
                "path": str(found.path),
                "request": found.request_id,
                "records": dict(found.records),
                "files": found.files,
                "unreadable": list(found.unreadable),
            }
        )
        return
    total = sum(found.records.values())
    out.print(f"{total} records and {found.files} files from {len(found.records)} collections: [bold]{relative(found.path)}[/]")
    for address in found.unreadable:
        out.print(f"  not readable for an export: {address}")


def scope(categories: Sequence[str] | None, since: str | None, until: str | None, items: Sequence[str] | None) -> Scope:
    """The scope that the options name.

    Raises:
        InvalidRequest: a date that isn't one, or a range that is empty.
    """
    span = None
    if since is not None or until is not None:
        start, end = moment(since, "--since"), moment(until, "--until")
        if start is not None and end is not None and start >= end:
            raise InvalidRequest("--since must lie before --until")
        span = Span(start, end)
    for item in items or ():
        if "/" not in item or "." not in item.partition("/")[0]:
            raise InvalidRequest("--item is written STORE.COLLECTION/KEY")
    return Scope(tuple(categories or ()), span, tuple(items or ()))


def moment(text: str | None, option: str) -> datetime | None:
    """The time (aware, in UTC) that an option names; a date is its first moment.

    Raises:
        InvalidRequest: it is none.
    """
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{option} is not a date or time in ISO 8601, such as 2026-01-31") from None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def _subjects(named: Sequence[str] | None, source: Path | None) -> list[str]:
    found = list(named or ())
    if source is not None:
        text = typer.get_text_stream("stdin").read() if str(source) == "-" else _text_of(source)
        found += [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not found:
        raise InvalidRequest("name a subject, or give --subjects-from")
    return found


def _text_of(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InvalidRequest("--subjects-from can't be read as a text file in UTF-8", where=str(source)) from None


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (plan, erase, access):
        app.command()(command)
