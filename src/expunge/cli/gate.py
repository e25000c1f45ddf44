"""``expunge gate …``: what may be trained on, published for training jobs."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.errors import MissingExtra

app = typer.Typer(help="What may be trained on: publish it, see it, explain it.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--to", "--at", help="The folder of the epochs, that training jobs read.", file_okay=False)]


@app.command()
def publish(
    to: Folder,
    every: Annotated[float, typer.Option(help="Publish again every so many seconds, without end; 20 keeps the default bound of 60.")] = 0,
    enrol: Annotated[bool, typer.Option("--enrol", help="Ask the stores first who is new (done once an hour by itself).")] = False,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Write an epoch: who may be trained on for which purpose, as static files that name nobody.

    Jobs need the files and the pass, `gate/pass.json` in the evidence's folder; hand it to them apart from the files.
    """
    with opened(policy) as library:
        publisher = _gating().Publisher(library)
        first = publisher.publish(to, enrol=enrol)
        _show(first, json=json)
        for done in publisher.publish_every(to, timedelta(seconds=every)) if every else ():
            _show(done, json=json)


@app.command()
def status(at: Folder, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """The newest epoch: its age, and how many people each purpose may use."""
    with opened(policy) as library:
        found = _gating_views().standing(library, at)
    if json:
        document(found.as_json())
        return
    out.print(f"epoch {found.epoch}, {found.age.total_seconds():.0f} s old; policy {'as published' if found.current else 'changed since'}")
    rows = [(one.purpose, one.kind, f"{one.enrolled:,}", f"{one.clear:,}") for one in found.rows]
    table("", ("purpose", "kind", "enrolled", "may be used"), rows, right=("enrolled", "may be used"))


@app.command()
def explain(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="KIND:KEY.")],
    at: Folder,
    purpose: Annotated[str, typer.Option(help="A purpose of the policy.")],
    category: Annotated[str | None, typer.Option(help="What the samples are: a data category.")] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Why the newest epoch lets a person's samples through or not; samples without a time of capture."""
    with opened(policy) as library:
        told = _gating_views().explained(library, at, subject, purpose, category)
    if json:
        document(told.as_json())
    else:
        out.print(f"{told.reason} for {purpose}, in epoch {told.epoch}")


def _show(done: object, *, json: bool) -> None:
    told = _gating_views().published(done)
    if json:
        document(told)
    else:
        out.print(f"epoch {told['epoch']}: {told['people']:,} people, {told['enrolled']:,} of them new")


def _gating() -> ModuleType:
    return _loaded("expunge.app.gating")


def _gating_views() -> ModuleType:
    return _loaded("expunge.app.gating_views")


def _loaded(name: str) -> ModuleType:
    """A module whose libraries are an extra.

    Raises:
        MissingExtra: they are not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        raise MissingExtra(f"the training gate needs {missing.name}: pip install 'expunge[gate]'", where="gate") from None
