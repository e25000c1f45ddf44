"""``expunge approve``, ``work``, ``status``, ``incidents``: what an operator does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from expunge.app.library import PATIENCE, Standing, as_json
from expunge.app.service import Shift, work_in_processes, work_shift
from expunge.cli import exits
from expunge.cli.present import progress, show_incidents, show_runs, show_standing
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out

RunName = Annotated[str | None, typer.Argument(metavar="[RUN|REQUEST]", help="A run's or a request's id; all, if not given.")]


def approve(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    digest: Annotated[
        str, typer.Option(help="The digest that `expunge erase` and `expunge status RUN` show: the plan, bound to these requests.")
    ],
    by: Annotated[str, typer.Option(help="Who approves; not who started it.")],
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """A second person's word on a batch above the blast radius. `expunge work` then begins with ten people."""
    with opened(policy) as library:
        runs = library.approve(run, digest, by=by)
    if json:
        document({"approved": [one.id for one in runs], "by": by})
    else:
        out.print(f"approved {len(runs)} {'wave' if len(runs) == 1 else 'waves'}; `expunge work` begins")


def work(
    run: RunName = None,
    policy: PolicyPath = DEFAULT_POLICY,
    patience: Annotated[float, typer.Option(help="Seconds to wait for steps that are to be tried again.")] = PATIENCE.total_seconds(),
    reopen: Annotated[bool, typer.Option("--reopen", help="Put steps back that were given up, after mending what stopped them.")] = False,
    forever: Annotated[bool, typer.Option("--forever", help="Keep working as a service.")] = False,
    workers: Annotated[int, typer.Option(min=1, envvar="EXPUNGE_WORKERS", help="Processes that work at the same time.")] = 1,
    json: AsJson = False,
) -> None:
    """Do what is due: continue runs after a crash or an outage, start what was filed, close what is no longer pending.

    Exit 82 while a run that is shown is neither complete nor awaiting an approval. A complete one may be pending until a date.
    """
    with opened(policy) as library, progress(library, quiet=json) as watch:
        name = library.find_run(run) if run else None
        if reopen:
            library.reopen(name)
        shift = Shift(policy, name, timedelta(seconds=patience), forever=forever)
        ray = os.environ.get("EXPUNGE_RAY")
        done = work_in_processes(shift, workers, ray) if workers > 1 or ray else work_shift(shift, library, watch)
        standings = [library.status(one.id) for one in library.runs() if name in (None, one.id)]
    if json:
        document({"steps_done": done, "runs": [as_json(one) for one in standings]})
    else:
        show_runs(standings)
    _end(standings)


def status(run: RunName = None, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Where runs and requests stand, what is waiting and why.

    Exit 82 while the RUN named is neither complete nor awaiting an approval. A complete one may be pending until a date.
    Without a name it is only a list: exit 0.
    """
    with opened(policy) as library:
        if run is None:
            standings = [library.status(one.id) for one in library.runs()]
            if json:
                document([as_json(one) for one in standings])
            else:
                show_runs(standings)
            return
        standing = library.status(library.find_run(run))
    if json:
        document(as_json(standing))
    else:
        show_standing(standing)
    _end([standing])


def _end(standings: Sequence[Standing]) -> None:
    """End with 0 only if all of these are at their end.

    Raises:
        RunUnfinished: the first that isn't.
    """
    fault = exits.of_runs(standings)
    if fault is not None:
        raise fault


def incidents(
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """What a control found wrong: owner, clock, and how often it came back. Closed only by that control passing."""
    with opened(policy) as library:
        show_incidents(library.incidents(open_only=not every), as_json=json)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (approve, work, status, incidents):
        app.command()(command)
