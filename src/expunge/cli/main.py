"""``expunge``: the library's words as commands.

Output goes to stdout: tables for people, or with ``--json`` one JSON document for programs. Progress and faults go to stderr. The exit
status is the fault's (errors.py); 0 is only ever "done".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from expunge.cli import (
    canary,
    claims,
    consent,
    evidence,
    gate,
    holds,
    hunt,
    idle,
    ingest,
    notice,
    operate,
    outbox,
    patrol,
    policy,
    preserve,
    replay,
    requests,
    retain,
    undo,
)
from expunge.cli.show import Shown, fail, out
from expunge.errors import ExpungeError

app = typer.Typer(
    name="expunge",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(policy.app, name="policy")
for module in (requests, undo, operate, replay, evidence):
    module.add_to(app)
app.add_typer(evidence.log, name="log")
app.add_typer(hunt.app, name="hunt")
app.add_typer(gate.app, name="gate")
app.add_typer(holds.app, name="holds")
app.add_typer(preserve.app, name="preserve")
app.add_typer(retain.app, name="retain")
app.add_typer(idle.app, name="idle")
app.add_typer(consent.app, name="consent")
app.add_typer(ingest.app, name="ingest")
app.add_typer(outbox.app, name="outbox")
app.add_typer(notice.app, name="notice")
app.add_typer(claims.app, name="claims")
patrol.add_to(hunt.app)
canary.add_to(hunt.app)
app.command("discover")(policy.discover)


def _say_version(asked: bool) -> None:  # noqa: FBT001  # typer's callback form
    """Say it and end, whatever else was asked.

    Raises:
        Exit: it was said.
    """
    if asked:
        out.print(f"expunge {version('expunge')}")
        raise typer.Exit


@app.callback()
def about(
    *, told: Annotated[bool, typer.Option("--version", help="Say which version this is.", callback=_say_version, is_eager=True)] = False
) -> None:
    """Erase a person from every store, and prove it to a stranger.

    Exit 0 is only ever "done"; every other status is an error's, told under docs/errors.
    """


def invoke(words: Sequence[str]) -> int:
    """Run one command in this process; its exit status. Faults become a message, a hint and a status; nothing else is caught."""
    Shown.json = Shown.answered = False
    try:
        app(args=list(words))
    except ExpungeError as fault:
        fail(fault, as_json=Shown.json)
        return fault.exit_status
    except SystemExit as ended:  # how typer ends every command, with its own status for a wrong usage
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def run() -> None:
    """The entry point."""
    sys.exit(invoke(sys.argv[1:]))


if __name__ == "__main__":
    run()
