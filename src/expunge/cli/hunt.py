"""``expunge hunt …``: the copies that nobody listed, and what is done about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.markup import escape

from expunge.app.library import Find, Sample
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.terms import Json

app = typer.Typer(help="Copies that nobody listed: show, adopt, dismiss, open.", no_args_is_help=True)

FindName = Annotated[str, typer.Argument(metavar="FIND|PLACE", help="A find's id, or a place as `expunge hunt show` names it.")]
By = Annotated[str, typer.Option(help="Who decides: a role, never a name of the person concerned.")]
Because = Annotated[str, typer.Option(help="Why; it stands in the evidence log.")]
RunName = Annotated[str | None, typer.Argument(metavar="[RUN|REQUEST]", help="A run's or a request's id; all, if not given.")]


@app.command()
def show(run: RunName = None, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Where copies were recognised, how much, how, and what became of it. Contents stay sealed."""
    with opened(policy) as library:
        finds = library.finds(library.find_run(run) if run else None)
        account = {one.run.id: library.hunted(one.run.id) for one in map(library.status, dict.fromkeys(find.run_id for find in finds))}
    if json:
        document([_json(one) for one in finds])
        return
    if not finds:
        out.print("nothing was found outside the places that the policy lists")
    rows = [(one.id, escape(one.place or f"(sealed: {one.source})"), _how_much(one), ", ".join(one.kinds), _status(one)) for one in finds]
    table("", ("find", "place", "recognised", "as", "status"), rows)
    for held in account.values():
        _not_scanned(held)


@app.command()
def adopt(
    find: FindName,
    policy: PolicyPath = DEFAULT_POLICY,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    by: By = "operator",
    json: AsJson = False,
) -> None:
    """Write the place of a find into the policy, so that this run and every later one erases there.

    A table in which keys were recognised becomes a collection with references; of files, and of tables that name nobody, whole objects and
    records go in which somebody is recognised. `expunge work` then erases there and hunts again.
    """
    with opened(policy) as library:
        done = library.adopt(find, by=by, dry_run=dry_run)
    if json:
        document([{"collection": one.address, "file": one.file, "by_content": one.by_content, "dataset": one.datasets} for one in done])
        return
    for one in done:
        how = "by content: what somebody is recognised in goes whole" if one.by_content else "by the keys that were recognised in it"
        out.print(f"{'would adopt' if dry_run else '[green]adopted[/]'} [bold]{escape(one.address)}[/], {how}; {escape(one.file)}:")
        out.print(escape(one.datasets), style="dim")
    if not dry_run:
        out.print("`expunge work` erases there and hunts again")


@app.command()
def dismiss(find: FindName, because: Because, policy: PolicyPath = DEFAULT_POLICY, by: By = "operator", json: AsJson = False) -> None:
    """Say of a find that it is no copy that has to go, and why. The reason is kept as evidence, and receipts count it."""
    with opened(policy) as library:
        done = library.dismiss(find, because=because, by=by)
    if json:
        document([_json(one) for one in done])
    else:
        out.print(f"dismissed {len(done)} {'find' if len(done) == 1 else 'finds'}; `expunge work` goes on")


@app.command(name="open")
def open_find(find: FindName, because: Because, policy: PolicyPath = DEFAULT_POLICY, by: By = "operator", json: AsJson = False) -> None:
    """Look at what was recognised, in its surroundings. That you looked, and why, is written into the evidence log first."""
    with opened(policy) as library:
        samples = library.open_find(find, because=because, by=by)
    if json:
        document([{"as": one.form, "where": one.where, "context": _readable(one)} for one in samples])
        return
    for one in samples:
        out.print(f"[bold]{escape(one.form)}[/] {escape(one.where)}")
        out.print(f"  {escape(_readable(one))}")


def _how_much(one: Find) -> str:
    what = "row" if one.rows else "place"
    return f"{one.count:,} {what}{'' if one.count == 1 else 's'}, {one.subjects:,} {'person' if one.subjects == 1 else 'people'}"


def _status(one: Find) -> str:
    if one.status.value == "open":
        return "[red]open[/]" if one.certain else "[yellow]review[/]"
    return one.status.value + (f": {escape(one.because)}" if one.because else "")


def _not_scanned(account: Mapping[str, Json]) -> None:
    """What was looked at, and what could not be: not scanned is never clean."""
    for source, one in account.items():
        if not isinstance(one, Mapping):
            continue
        told = one["not_scanned"]
        reasons: Sequence[str] = [f"{count} {why}" for why, count in told.items()] if isinstance(told, Mapping) else []
        seen = f"{escape(source)}: {one['streams']:,} files, {one['rows']:,} rows, {one['bytes']:,} bytes"
        out.print(seen + (f"; [yellow]not scanned, or not whole[/]: {escape('; '.join(reasons))}" if reasons else ""))


def _readable(one: Sample) -> str:
    return "".join(letter if letter.isprintable() else "·" for letter in one.context.decode("utf-8", "replace"))


def _json(one: Find) -> Json:
    return {
        "id": one.id,
        "run": one.run_id,
        "source": one.source,
        "place": one.place,
        "certain": one.certain,
        "kinds": list(one.kinds),
        "count": one.count,
        "rows": len(one.rows),
        "subjects": one.subjects,
        "status": one.status.value,
        "because": one.because,
        "found_at": one.found_at.isoformat(),
    }
