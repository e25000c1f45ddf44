"""How answers look: tables and lines for people, one JSON document for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import expunge
from expunge.app.library import Expunge
from expunge.errors import ExpungeError
from expunge.terms import Json

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class Shown:
    """What this invocation was asked to print, set by ``--json`` wherever a command takes it; and whether its one document was printed."""

    json: ClassVar[bool] = False
    answered: ClassVar[bool] = False


def _as_json(value: bool) -> bool:  # noqa: FBT001  # typer's callback form
    Shown.json = value
    return value


PolicyPath = Annotated[
    Path, typer.Option("--policy", "-p", envvar="EXPUNGE_POLICY", help="The policy file.", show_default=True, dir_okay=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.", callback=_as_json)]
DEFAULT_POLICY = Path("expunge.yaml")


def opened(policy: Path) -> Expunge:
    """The library on this policy."""
    return expunge.open(policy)


def document(value: Json) -> None:
    """Print one JSON document."""
    Shown.answered = True
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201  # the command's answer


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table; columns named in ``right`` are numbers."""
    drawn = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, title_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(drawn)


def fail(fault: ExpungeError, *, as_json: bool) -> None:
    """Say what happened, where, and what to do; on stderr, if stdout already has its one document."""
    if as_json and not Shown.answered:
        document({"error": fault_json(fault)})
        return
    err.print(f"[bold red]error[/] [bold]{fault.code}[/]", end=" ")
    err.print(str(fault), markup=False)
    err.print(f"  {fault.hint}", markup=False, style="dim")
    err.print(f"  docs/errors/{fault.code}.md", style="dim")


def fault_json(fault: ExpungeError) -> Mapping[str, Json]:
    """A fault for programs."""
    return {
        "code": fault.code,
        "message": fault.message,
        "where": fault.where,
        "hint": fault.hint,
        "retryable": fault.retryable,
        "exit_status": fault.exit_status,
    }


def relative(path: str | Path) -> str:
    """A path as short as it can be said from here."""
    short = os.path.relpath(path)
    return short if len(short) < len(str(path)) else str(path)
