"""The main job on a small estate: ``python -m examples.home.demo`` (``make demo``).

A parent asks for one child's data to be erased. The recordings lie in a real S3 server on loopback, everything else in SQLite and folders.
The hunt then finds four copies that the policy does not list; they are adopted, and the run ends with a receipt.
Then the S3 server is cut off in the middle of a second request: the run says *incomplete*, keeps what it knows, and ends when the server
is back. Every command shown is really run; the estate and the receipts stay in ``demo/`` to be looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

import expunge
from examples.home.estate import build
from examples.home.where import Amounts, Where
from expunge.cli import show
from expunge.cli.main import invoke
from expunge.testing import services
from expunge.testing.relay import Relay

HOUSEHOLDS = 6
PATIENCE = "3"  # seconds; the demo's outage lasts until the demo ends it
INCOMPLETE = 82  # exit status of RunUnfinished, errors.py
BAD_PROOF = 71

FORGOTTEN = (
    "warehouse.tmp_asr_2019",
    "share/notebooks/wake_word_tuning.ipynb",
    "share/exports/clips_for_supplier.tar.gz",
    "share/analytics/kids_q2_final.csv",
)
"""What the hunt must find: a forgotten database, a data scientist's notebook, a tarball of re-encoded clips, a spreadsheet."""

WIDTH = 118  # columns, so that the tables are not folded

say = Console(highlight=False, width=WIDTH)


class DemoFailedError(Exception):
    """A command ended otherwise than the demo says."""


class Shell:
    """Runs ``expunge`` in the estate's folder and shows command and output as a person would see them."""

    def __init__(self, folder: Path) -> None:
        """Nothing is run yet."""
        self.folder = folder
        show.out.width = show.err.width = WIDTH

    def run(self, *words: str, expect: int = 0) -> None:
        """Run one command.

        Raises:
            DemoFailedError: another exit status than expected.
        """
        say.print(f"\n[bold cyan]$[/] [bold]expunge {shlex.join(words)}[/]", soft_wrap=True)
        with contextlib.chdir(self.folder), contextlib.redirect_stderr(sys.stdout):
            status = invoke(words)
        if status != expect:
            raise DemoFailedError(f"expunge {words[0]} ended with {status}, not {expect}")


def demo(at: Path) -> Path:
    """Run the demo in ``at`` (taken away first, if it is an older demo); the receipt's path.

    Raises:
        DemoFailedError: something didn't go as said.
    """
    if at.exists():
        if not (at / "expunge.yaml").exists():
            raise DemoFailedError(f"{at} exists and is not an older demo; name another folder with --at")
        shutil.rmtree(at)
    begun = time.monotonic()
    with services.s3() as server:
        relay = Relay(int(server.endpoint.rpartition(":")[2]))
        cut_off = f"http://{services.LOOPBACK}:{relay.port}"
        os.environ.update({**server.environment, "AWS_ENDPOINT_URL": cut_off})
        _title("A maker of a voice assistant and a doorbell")
        summary = build(Where(at, media="s3://hearth-media", endpoint=cut_off), HOUSEHOLDS, amounts=Amounts(unlisted=True))
        say.print(
            f"{HOUSEHOLDS} households, {sum(summary.records.values()):,} records: SQLite with full-text search, a versioned S3 bucket,"
        )
        say.print(f"a Delta table, a Parquet folder that was copied from it, and application logs. It lies in {at}/")
        say.print(
            "Somebody also left a database of transcripts, a notebook, a tarball of clips and a spreadsheet, which no policy describes."
        )
        shell = Shell(at)
        child = f"child:{summary.someone['child']}"
        receipt = _one_child(shell, child)
        _unreachable(shell, relay, _another_child(summary.someone["child"]))
        relay.close()
    say.print(f"\n[green]Done[/] in {time.monotonic() - begun:.0f} s. The receipt: [bold]{receipt}[/]")
    say.print(f"Check it again: expunge verify {receipt} --trust {at / '.expunge/evidence/trust.json'}", soft_wrap=True)
    return receipt


def _one_child(shell: Shell, child: str) -> Path:
    _title("A parent asks: erase what you have of my child")
    shell.run("policy", "check")
    shell.run("policy", "explain", "app.transcripts.text")
    shell.run("plan", child)
    shell.run("erase", child, "--requester", "parent", "--authority", "signed in, passkey", expect=INCOMPLETE)
    _unlisted(shell)
    receipt = next((shell.folder / ".expunge/evidence/receipts").glob("req_*.receipt.json"))
    _title("A stranger checks it, with two files and no network")
    shell.run("verify", str(receipt.relative_to(shell.folder)), "--trust", ".expunge/evidence/trust.json")
    changed = shell.folder / "changed.receipt.json"
    raw = bytearray(receipt.read_bytes())
    raw[len(raw) // 2] ^= 1
    changed.write_bytes(raw)
    say.print("\nThe same receipt with one bit flipped:")
    shell.run("verify", changed.name, "--trust", ".expunge/evidence/trust.json", expect=BAD_PROOF)
    changed.unlink()
    return receipt


def _unlisted(shell: Shell) -> None:
    _title("What the policy lists is gone. The hunt found copies that nobody listed, so the run is not done")
    shell.run("hunt", "show")
    for place in FORGOTTEN:
        shell.run("hunt", "adopt", place)
    say.print("\nThe places are in the policy now. The run goes on: it erases there, and hunts again:")
    shell.run("work")
    shell.run("hunt", "show")


def _unreachable(shell: Shell, relay: Relay, child: str) -> None:
    _title("The recordings' store is away: the run says so, and never “done”")
    with relay.outage():
        shell.run("erase", child, "--requester", "parent", "--patience", PATIENCE, expect=INCOMPLETE)
        shell.run("incidents")
    say.print("\nThe store is back. Nobody has to remember what was left:")
    shell.run("work")
    shell.run("incidents", "--all")
    with expunge.open(shell.folder / "expunge.yaml") as library:
        if not all(library.status(run.id).complete for run in library.runs()):
            raise DemoFailedError("a run is still incomplete")
    shell.run("log", "check")


def _another_child(first: str) -> str:
    """A child of another household: the estate numbers children 11, 12, … 21, 22, … by household."""
    return f"child:{int(first) + 10}"


def _title(text: str) -> None:
    say.print()
    say.rule(f"[bold]{text}", align="left")


def main(words: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m examples.home.demo", description="A parent's request, from plan to verify.")
    parser.add_argument("--at", type=Path, default=Path("demo"), metavar="DIR", help="where the estate is built (default: demo)")
    try:
        demo(parser.parse_args(words).at)
    except DemoFailedError as failed:
        say.print(f"[red]The demo failed:[/] {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
