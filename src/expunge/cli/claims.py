"""``expunge claims``: the public sentences, held against the live stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from expunge.app.claims import Checked, check, check_policy_claims
from expunge.app.library import Expunge
from expunge.app.publishing import draft
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.errors import ClaimBroken, InvalidRequest
from expunge.family.notices import KINDS, Kind
from expunge.policy.publishing import Claim
from expunge.terms import Json

app = typer.Typer(help="Hold what is said in public against what is done.", no_args_is_help=True)

_STYLES = {"holds": "[green]holds[/]", "broken": "[bold red]broken[/]", "not checked": "[yellow]not checked[/]"}
_SHOWN = 4
"""Places shown in the table; `--json` has all."""


@app.command("check")
def check_(
    claim: Annotated[int | None, typer.Option(help="Only the claim of this number, from 1.", min=1)] = None,
    notices: Annotated[bool, typer.Option("--notices", help="Every sentence of the printed notices too.")] = False,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Run the control of every public sentence against the live stores: holds, broken, or not checked, with the evidence.

    A broken claim opens an incident, which only that control closes. Exit 84 if one is broken.
    """
    with opened(policy) as library:
        if not library.policy.claims and not notices:
            raise InvalidRequest("the policy makes no claims; write the public sentences under `claims`")
        checked = check_policy_claims(library, claim)
        if notices:
            sentences = [one for kind in KINDS for one in _sentences(library, kind)]
            checked += check(library, list(dict.fromkeys(sentences)))
    if json:
        document([one.as_json() for one in checked])
    else:
        _show(checked)
    broken = [one for one in checked if one.is_broken]
    if broken:
        first = broken[0]
        where = f"{first.claim.control}: {', '.join(first.finding.places[:_SHOWN])}".rstrip(": ")
        raise ClaimBroken(f'{len(broken)} of {len(checked)} sentences do not hold: "{first.claim.says}" ({where})', where="claims")


def _sentences(library: Expunge, kind: Kind) -> Sequence[Claim]:
    try:
        return [one.claim for one in draft(library, kind).every()]
    except InvalidRequest:  # no children, no direct notice
        return []


def _show(checked: Sequence[Checked]) -> None:
    rows: list[Sequence[object]] = []
    for place, one in enumerate(checked, 1):
        found = one.finding
        more = f" and {len(found.places) - _SHOWN} more" if len(found.places) > _SHOWN else ""
        rows.append(
            (
                place,
                one.claim.says,
                one.claim.control,
                _STYLES[found.verdict.value],
                found.evidence,
                ", ".join(found.places[:_SHOWN]) + more,
            )
        )
    table("", ("", "sentence", "control", "", "evidence", "where"), rows, right=("",))
    counts: dict[str, Json] = {}
    for one in checked:
        counts[one.finding.verdict.value] = int(str(counts.get(one.finding.verdict.value, 0))) + 1
    out.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
