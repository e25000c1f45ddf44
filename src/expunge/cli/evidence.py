"""``expunge verify`` and ``expunge log``: what a stranger does. ``verify`` needs two files and nothing else: no policy, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from expunge.app.checking import Verified, check_receipt
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.terms import Json

log = typer.Typer(help="The evidence log.", no_args_is_help=True)


def verify(
    receipt: Annotated[Path, typer.Argument(help="A …receipt.json file.", dir_okay=False)],
    trust: Annotated[Path, typer.Option("--trust", help="The trust bundle, got from somewhere else than the receipt.", dir_okay=False)],
    opening: Annotated[
        Path | None, typer.Option(help="The opening handed to the requester: shows whether the receipt is about --subject.", dir_okay=False)
    ] = None,
    subject: Annotated[str | None, typer.Option(metavar="KIND:KEY", help="Who the receipt is said to be about; with --opening.")] = None,
    json: AsJson = False,
) -> None:
    """Check a receipt offline: both signatures, its place in the log, the signed head. One changed byte is refused.

    A receipt names nobody. With the opening that the requester was given, it is also checked that it is about the subject named.
    """
    found = check_receipt(receipt, trust, opening, subject)
    if json:
        document(
            {
                "verified": True,
                "about_subject": True if opening is not None else None,
                "kind": found.kind,
                "log": found.log,
                "index": found.index,
                "size": found.size,
                "logged_at": found.logged_at.isoformat(),
                "statement": dict(found.statement),
            }
        )
        return
    out.print(
        f"[green]verified[/]: entry {found.index} of {found.size} in the log [bold]{found.log}[/], {found.logged_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    out.print(
        f"  signed by {found.executor} and {found.verifier}" + (f", witnessed by {', '.join(found.witnesses)}" if found.witnesses else "")
    )
    if opening is not None:
        out.print("[green]opened[/]: the receipt is about the subject named")
    _tell(found)


@log.command("check")
def check(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Audit the whole log: every tile and entry against the signed head."""
    with opened(policy) as library:
        found = library.check_log()
    if json:
        document({"ok": True, "origin": found.origin, "size": found.size, "root": found.root.hex(), "at": found.at.isoformat()})
    else:
        out.print(
            f"[green]ok[/]: {found.origin}, {found.size} entries, root {found.root.hex()[:16]}…, signed {found.at:%Y-%m-%d %H:%M:%S} UTC"
        )


def _tell(found: Verified) -> None:
    """The statement, for a person."""
    statement = found.statement
    request = _mapping(statement.get("request"))
    if request:
        out.print(
            f"  request {request.get('id')}: {request.get('kind')} of one {request.get('subject_kind')}, filed {request.get('filed_at')}"
        )
    rows = []
    for store in _list(statement.get("stores")):
        for row in map(_mapping, _list(_mapping(store).get("collections"))):
            kept = _mapping(row.get("kept"))
            stays = f"{kept.get('records')} kept: {kept.get('basis')}" if kept else ""
            methods = ", ".join(str(one) for one in _list(row.get("method")))
            rows.append((row["collection"], methods, row["before"], row["after"], row["level"], row["pending_until"], stays))
    table("", ("collection", "method", "before", "after", "level", "pending until", "kept"), rows, right=("before", "after"))
    _tell_surroundings(statement)
    out.print("Not covered:", style="bold")
    for line in _list(statement.get("out_of_scope")):
        out.print(f"  - {line}", markup=False)


def _tell_surroundings(statement: Mapping[str, Json]) -> None:
    """What a store's verification says that it didn't look at, and where the policy declares no end for what lies around a store."""
    undeclared: list[str] = []
    out.print("Of the stores:", style="bold")
    for store in map(_mapping, _list(statement.get("stores"))):
        rows = [_mapping(row) for row in _list(store.get("collections"))]
        for part in dict.fromkeys(part for row in rows for part in str(row.get("note") or "").split("; ") if part):
            out.print(f"  - {store.get('store')}: {part}", markup=False)
        undeclared += [str(store.get("store"))] if any(row.get("horizon") == "not declared" for row in rows) else []
    if undeclared:
        out.print(f"  - {', '.join(undeclared)}: how long logs, archives and backups around it keep copies is not declared", markup=False)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(verify)
