"""``expunge hunt canary …`` and ``expunge hunt map``: made-up households, and where they were carried."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from expunge.cli.patrol import part
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, err, opened, out, relative, table

app = typer.Typer(help="Made-up households: make, plant, look for, end.", no_args_is_help=True)

CanaryName = Annotated[str, typer.Argument(metavar="CANARY", help="A canary's id, as `expunge hunt canary list` shows it.")]


@app.command()
def make(
    count: Annotated[int, typer.Option(min=1, max=100, help="How many households.")] = 1,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Make households that nobody is, of values that nobody else has; they are kept sealed in the journal."""
    with opened(policy) as library:
        made = part("canaries").make(library, count)
    if json:
        document([{"id": one.id} for one in made])
    else:
        out.print("\n".join(one.id for one in made))


@app.command()
def plant(
    to: Annotated[Path, typer.Option(help="A folder for the files; one below it for each canary.", file_okay=False)],
    into: Annotated[list[str] | None, typer.Option(help="STORE.COLLECTION that your ingest writes to; may be given again.")] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Write every canary as files (people, sentences, a track, a vector, a recording) for your own ingest to take in."""
    with opened(policy) as library:
        written = part("canaries").plant(library, to, into or ())
    if json:
        document([str(one) for one in written])
    else:
        out.print("\n".join(escape(relative(one)) for one in written))


@app.command()
def look(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Hunt for every canary in every place, by all that a hunt knows. `expunge hunt map` draws what was seen."""
    with opened(policy) as library, err.status("looking") as status:
        seen = part("canaries").look(library, lambda source, done: status.update(f"looking: {source}, {done:,}"))
    if json:
        document(seen)
        return
    rows = [(name, escape(node), ", ".join(sorted(held))) for name, one in seen.items() for node, held in sorted(one["nodes"].items())]
    table("", ("canary", "seen in", "what"), rows)
    unread = next(iter(seen.values()))["not_scanned"]
    if unread:
        out.print("[yellow]not scanned, or not whole[/]: " + escape("; ".join(f"{count} {why}" for why, count in unread.items())))


@app.command(name="list")
def list_canaries(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """The canaries there are, and whom to erase to take each away again."""
    module = part("canaries")
    with opened(policy) as library:
        held = [(one, module.subjects(library, one.id)) for one in library.rooms.journal.canaries()]
    if json:
        document([{"id": one.id, "made_at": one.made_at.isoformat(), "subjects": who} for one, who in held])
        return
    when = "{:%Y-%m-%d %H:%M}"
    rows = [
        (one.id, when.format(one.made_at), when.format(one.looked_at) if one.looked_at else "never", "\n".join(who)) for one, who in held
    ]
    table("", ("canary", "made (UTC)", "looked for", "subjects"), rows)


@app.command()
def end(canary: CanaryName, policy: PolicyPath = DEFAULT_POLICY) -> None:
    """Destroy what a canary is made of. Erase its subjects first: nobody can look for its records afterwards."""
    with opened(policy) as library:
        part("canaries").end(library, canary)
    out.print("ended: what it was made of is gone")


def draw_map(
    to: Annotated[Path | None, typer.Option(help="Write a page (.html), a picture (.svg) or Mermaid text (.mmd).", dir_okay=False)] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """The real data flow beside the declared lineage: what went where nobody said, in red."""
    module = part("canaries")
    with opened(policy) as library:
        flow = module.lineage(library)
        drawn = module.drawn(library, flow, to.suffix) if to is not None else ""
    if to is not None:
        to.write_text(drawn, "utf-8")
        err.print(f"wrote {escape(relative(to))}")
    if json:
        document(flow.as_json())
    elif to is None:
        rows = [(one.start, one.end, one.way.value, ", ".join(one.things)) for one in flow.edges]
        styled = [
            tuple(f"[red]{escape(cell)}[/]" if way == "seen, not declared" else escape(cell) for cell in row)
            for row in rows
            for way in row[2:3]
        ]
        table("", ("from", "to", "which", "what"), styled)


def add_to(hunt: typer.Typer) -> None:
    """Add these commands."""
    hunt.add_typer(app, name="canary")
    hunt.command(name="map")(draw_map)
