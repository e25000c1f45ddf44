"""``expunge policy …`` and ``expunge discover``: what is declared, and how it compares with what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from expunge.app import retaining
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, err, opened, out, table
from expunge.errors import InvalidRequest
from expunge.policy.schema import as_text, dataset_schema, policy_schema

app = typer.Typer(help="Check, explain and describe the policy file.", no_args_is_help=True)


@app.command()
def check(
    policy: PolicyPath = DEFAULT_POLICY,
    offline: Annotated[bool, typer.Option("--offline", help="Read the files only; don't ask the stores.")] = False,
    json: AsJson = False,
) -> None:
    """Read the policy and its datasets, and hold them against the live stores.

    Exit 0 when an erasure could be planned and every category of everybody has a term that can end; warnings don't fail.
    """
    with opened(policy) as library:
        warnings = library.policy.warnings if offline else (*library.check(), *retaining.terms(library.rooms).rules.problems)
        catalog = library.policy.catalog
        if json:
            stores = {name: [note.name for note in catalog.in_store(name)] for name in catalog.stores}
            document({"ok": True, "digest": library.policy.digest, "stores": stores, "warnings": [one.as_json() for one in warnings]})
            return
        rows = [(name, note.kind, len(catalog.in_store(name))) for name, note in catalog.stores.items()]
        table(f"{library.policy.controller.name}: policy {library.policy.digest[:12]}", ("store", "kind", "collections"), rows)
        for problem in warnings:
            err.print(f"[yellow]warning[/] {problem}")
        told = " (files only; stores not asked)" if offline else ": every store answered, an erasure can be planned, everything has a term"
        out.print(f"[green]ok[/]{told}")


@app.command()
def explain(
    address: Annotated[str, typer.Argument(metavar="STORE.COLLECTION[.FIELD]")], policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False
) -> None:
    """Say whose a field is, its category, purpose and term, what an erasure does to it, and which line says so."""
    with opened(policy) as library:
        found = library.explain(address)
        if json:
            document(found.as_json())
        else:
            out.print(str(found), markup=False, emoji=False)


@app.command()
def schema(datasets: Annotated[bool, typer.Option("--datasets", help="The schema of dataset files instead.")] = False) -> None:
    """Print the JSON Schema of the policy file, for editors."""
    out.file.write(as_text(dataset_schema() if datasets else policy_schema()))


def discover(
    store: Annotated[str, typer.Argument(help="A store that the policy lists.")],
    policy: PolicyPath = DEFAULT_POLICY,
    write: Annotated[Path | None, typer.Option("--write", help="Write the proposed dataset file here.", dir_okay=False)] = None,
    json: AsJson = False,
) -> None:
    """Propose annotations for what a store holds and the policy doesn't mention; name soft references; report drift."""
    with opened(policy) as library:
        proposal, drifted = library.discover(store)
    if write is not None and proposal.text:
        try:
            with write.open("x", encoding="utf-8") as file:
                file.write(proposal.text)
        except OSError as error:
            raise InvalidRequest(f"the proposal can't be written: {error.strerror}", where=str(write)) from None
    if json:
        soft = [str(one) for one in proposal.soft]
        document(
            {
                "store": store,
                "undeclared": list(proposal.collections),
                "soft_references": soft,
                "drift": [one.as_json() for one in drifted],
                "proposal": proposal.text,
            }
        )
        return
    for problem in drifted:
        err.print(f"[yellow]drift[/] {problem}")
    for reference in proposal.soft:
        err.print(f"[yellow]soft reference[/] {reference}")
    if write is not None and proposal.text:
        out.print(f"proposed {len(proposal.collections)} collections in {write}")
    elif proposal.text:
        out.file.write(proposal.text)
    else:
        out.print(f"{store}: every collection is declared")
