"""``expunge idle …``: children's profiles that nobody uses."""

from __future__ import annotations

from typing import Annotated

import typer

from expunge.app import idling
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, err, opened, out, table

app = typer.Typer(help="Children's profiles that nobody uses: find, tell the guardian, keep, end.", no_args_is_help=True)

STEPS = {
    "unused": "unused now",
    "found": "found unused",
    "told": "guardian written to",
    "unreachable": "no guardian reached",
    "returned": "letters came back",
    "inactive": "inactive, guardian not told",
    "kept": "kept by the guardian",
    "active": "used again",
    "gone": "erased meanwhile",
    "ending": "erasure filed",
}


@app.command("round")
def go_round(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only: nobody is told, nothing is filed.")] = False,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Find profiles that no child has used for the policy's time, write to their guardians, and file the erasure of those that are due.

    What counts as use is the policy's `children.used_by`, and nothing else. `expunge outbox send` sends the letters, `expunge work` erases.
    """
    with opened(policy) as library, err.status("looking for unused profiles"):
        done = idling.go(library, dry_run=dry_run)
    if json:
        document({kind: {step: count for step, count in tally.items() if count} for kind, tally in done.items()})
        return
    rows = [(kind, STEPS[step], f"{tally[step]:,}") for kind, tally in done.items() for step in STEPS if tally[step]]
    if rows:
        table("", ("kind", "if it were done now" if dry_run else "step", "profiles"), rows, right=("profiles",))
    else:
        out.print("no profile is unused, and none has changed")


@app.command()
def show(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """How many unused profiles stand where, and when the next one ends."""
    with opened(policy) as library:
        found = idling.standing(library)
    if json:
        document([one.as_json() for one in found])
        return
    rows = [(one.kind, STEPS[state], f"{count:,}") for one in found for state, count in one.states.items()]
    table("", ("kind", "state", "profiles"), rows, right=("profiles",))
    for one in found:
        if one.next_end is not None:
            out.print(f"the next {one.kind}'s profile ends on {one.next_end:%Y-%m-%d} (UTC)")


@app.command()
def keep(
    subject: Annotated[str, typer.Argument(metavar="CHILD", help="KIND:KEY of the child.")],
    by: Annotated[str, typer.Option(help="KIND:KEY of the guardian who asks; prove who it is first.")],
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Keep an unused profile for a further term, because its guardian asks. The evidence log has it."""
    with opened(policy) as library:
        until = idling.keep(library, subject, by=by)
    if json:
        document({"kept_until": until.isoformat()})
    else:
        out.print(f"kept until {until:%Y-%m-%d} (UTC)")
