"""``expunge hunt patrol``: how sure one may be that nobody erased is still there, by looking at a sample."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from expunge.app.library import Expunge
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, err, opened, out, table
from expunge.errors import InvalidRequest, MissingExtra
from expunge.terms import Json

if TYPE_CHECKING:
    from expunge.app.patrolling import Round

LOOK_EVERY = 5.0
"""Seconds between looks at the timetable with ``--forever``: a query each."""

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d+)\s*([mhdw])")


def patrol(
    size: Annotated[str, typer.Option("--bytes", help="The most that a round reads: 500MB, 1GB, 2TiB.")] = "1GB",
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="How sure the bound is.")] = 0.95,
    every: Annotated[str | None, typer.Option(help="Put rounds on the timetable: 30m, 12h, 1d; `never` takes them off.")] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Do the rounds of the timetable as a service.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show the rounds so far and what is open; look at nothing.")] = False,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Look at a random sample of every place for people whose tombstones are laid, and say how many objects can still name one.

    Recognised are identifiers whose exact text can be listed: mail addresses, UUIDs, long ids, and what stands in fields named after
    them. A round that was broken off goes on. What is found opens an incident, which a later round closes when the place is clean.
    """
    patrolling = part("patrolling")
    with opened(policy) as library:
        if history:
            _show_history(library, as_json=json)
            return
        budget = read_size(size)
        if every is not None:
            span = None if every == "never" else read_span(every)
            patrolling.schedule(library, span, budget=budget, confidence=confidence)
        while forever:
            done = patrolling.due(library)
            if done is not None:
                _show(done, as_json=json)
            time.sleep(LOOK_EVERY)
        if every is not None:
            out.print("taken off the timetable" if every == "never" else f"on the timetable every {every}; `--forever` does the rounds")
            return
        with err.status("patrolling") as status:
            done = patrolling.patrol(
                library,
                budget=budget,
                confidence=confidence,
                watch=lambda seen, of: status.update(f"patrolling: {seen:,} of {of:,} objects"),
            )
    _show(done, as_json=json)


def part(name: str) -> ModuleType:
    """A module of ``app`` that needs the hunt's libraries: loaded when a command needs it, so that all others run without.

    Raises:
        MissingExtra: they are not installed.
    """
    try:
        return import_module(f"expunge.app.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        raise MissingExtra(f"this needs {missing.name}: pip install 'expunge[hunt]'", where="hunt") from None


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(patrol)


def read_size(text: str) -> int:
    """Bytes.

    Raises:
        InvalidRequest: not a size.
    """
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise InvalidRequest("write a size as 500MB, 1GB or 2TiB")
    return int(Decimal(found[1]) * _UNITS[found[2]])


def read_span(text: str) -> timedelta:
    """A length of time.

    Raises:
        InvalidRequest: not one.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise InvalidRequest("write a time as 30m, 12h, 1d or 2w")
    return timedelta(**{_SPANS[found[2]]: int(found[1])})


def _show(done: Round, *, as_json: bool) -> None:
    if as_json:
        document(done.as_json())
        return
    sources = done.patrol.result["sources"]
    assert isinstance(sources, Mapping)
    columns = ("source", "objects", "drawn", "with somebody", "fewer than", "not scanned, or not whole", "outside the sample")
    table("", columns, [_row(name, one) for name, one in sources.items() if isinstance(one, Mapping)], right=columns[1:5])
    out.print(f"[bold]{escape(done.sentence)}[/]")
    for one in done.hits:
        forms = ", ".join(f"{form} ({count:,})" for form, count in one.forms.items())
        out.print(f"[red]open[/] {one.id} {escape(one.place or one.source)}: {escape(forms)}")
    if done.hits:
        out.print("each has an incident; `expunge replay STORE` erases again what came back into a store")


def _row(name: str, one: Mapping[str, Json]) -> tuple[object, ...]:
    unread, outside = one["not_scanned"], one["outside"]
    reasons = unread["reasons"] if isinstance(unread, Mapping) else {}
    figures = [f"{one[key]:,}" for key in ("objects", "drawn", "hits", "fewer_than")]
    return (escape(name), *figures, _counts(reasons), _counts(outside))


def _counts(held: Json) -> str:
    return "; ".join(f"{count:,} {why}" for why, count in held.items()) if isinstance(held, Mapping) else ""


def _show_history(library: Expunge, *, as_json: bool) -> None:
    patrolling = part("patrolling")
    held = patrolling.rounds(library)
    hits = library.rooms.journal.patrol_hits()
    if as_json:
        told: list[Json] = [
            {"patrol": one.id, "begun_at": one.begun_at.isoformat(), "sentence": patrolling.sentence(one.result), **one.result}
            for one in held
        ]
        document({"rounds": told, "hits_open": [patrolling.hit_json(one) for one in hits]})
        return
    rows = [(one.id, f"{one.begun_at:%Y-%m-%d %H:%M}", patrolling.sentence(one.result)) for one in held]
    table("", ("round", "begun (UTC)", "what may be said"), rows)
    for hit in hits:
        out.print(f"[red]open[/] {hit.id} {escape(hit.place or hit.source)}, since {hit.found_at:%Y-%m-%d}")
