"""``expunge consent …``: guardians asked, told and obeyed; households with who decides for whom."""

from __future__ import annotations

import base64
import json as jsonlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from expunge.app.families import Answered, Asked, Families
from expunge.app.family_duties import Settled
from expunge.app.family_views import Agreed, Household, Standing
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, out, table
from expunge.errors import InvalidRequest
from expunge.terms import Identifier, Json

app = typer.Typer(help="Consent: ask, confirm, show, withdraw; who decides for whom; what nobody is attributed to.", no_args_is_help=True)

Child = Annotated[str, typer.Argument(metavar="KIND:KEY", help="Whose data it is about: e.g. child:17.")]
Guardian = Annotated[str, typer.Option("--guardian", "-g", metavar="KIND:KEY", help="Who decides: e.g. adult:5; an adult for themself.")]
Matters = Annotated[list[str] | None, typer.Option("--for", help="PURPOSE, PURPOSE/template or PURPOSE/to/RECIPIENT; all, if not given.")]
AskingId = Annotated[str, typer.Argument(metavar="ASKING", help="As `expunge consent ask` gave it.")]


@app.command()
def ask(
    child: Child,
    guardian: Guardian,
    method: Annotated[str, typer.Option(help="As `expunge consent methods` lists them.")],
    matter: Matters = None,
    to: Annotated[str | None, typer.Option(help="Where to write: an e-mail address, or a number for text-plus. Kept only to ask.")] = None,
    bank: Annotated[Path | None, typer.Option(help="For questions: a JSON file with the operator's bank.", dir_okay=False)] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Ask a guardian for verifiable consent. Nothing is collected for it before they answer, and the asking ends by itself."""
    with opened(policy) as library:
        given: Mapping[str, Json] = {"bank": _json_of(bank)} if bank is not None else {}
        address = Identifier("phone" if method == "text-plus" else "email", to) if to is not None else None
        asked = Families(library).ask(child, guardian, method, matter or (), to=address, given=given)
    if json:
        document({"asking": asked.id, "matters": list(asked.matters), "wording": asked.wording.digest, "shown": dict(asked.shown)})
        return
    _show_asked(asked)


@app.command()
def confirm(
    asking: AskingId,
    code: Annotated[str | None, typer.Option(help="E-mail-plus, text-plus: the code of the message.")] = None,
    scan: Annotated[Path | None, typer.Option("--document", help="Signed form: the scan.", dir_okay=False)] = None,
    reviewed_by: Annotated[str | None, typer.Option(help="Signed form: the role of who looked at the scan.")] = None,
    signed: Annotated[bool | None, typer.Option("--signed/--not-signed", help="Signed form: what they saw.")] = None,
    choice: Annotated[list[int] | None, typer.Option(help="Questions: the choice, from 0; once per question, in order.")] = None,
    stand_in: Annotated[str | None, typer.Option(help="A stand-in, where the policy allows them: yes or no.")] = None,
    yes: Annotated[list[str] | None, typer.Option("--yes", help="Only to this matter, no to the others asked. Repeatable.")] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Take a guardian's answer. What was kept only to verify them is destroyed when the asking ends, and the evidence log says so."""
    told: dict[str, Json] = {"code": code, "reviewed_by": reviewed_by, "signed": signed, "stand_in": stand_in}
    said = {name: value for name, value in told.items() if value is not None}
    if scan is not None:
        said["document"] = base64.b64encode(_bytes_of(scan)).decode()
    if choice is not None:
        said["choices"] = list(choice)
    with opened(policy) as library:
        answered = Families(library).answer(asking, said, yes)
    if json:
        shown = dict(answered.shown)
        document({"asking": answered.id, "result": answered.result.value, "because": answered.because, "shown": shown})
        return
    _show_answered(answered)


@app.command()
def give(subject: Child, matter: Matters = None, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Record the yes of somebody who decides for themself, said where they are signed in."""
    with opened(policy) as library:
        matters = Families(library).give(subject, matter or ())
    if json:
        document({"given": list(matters)})
    else:
        out.print(f"[green]given[/]: {', '.join(matters) or 'nothing new'}")


@app.command()
def withdraw(child: Child, guardian: Guardian, matter: Matters = None, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Take a yes back, or say no unasked. It holds from now; what was kept for it alone is erased by `expunge work`."""
    with opened(policy) as library:
        settled = Families(library).withdraw(child, guardian, matter or ())
    _settled(settled, as_json=json, done="[green]withdrawn[/]")


@app.command()
def show(subject: Child, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """The ledger of one person: what is agreed to, by whom, how, since when and in which words, and what was erased for it."""
    with opened(policy) as library:
        held = Families(library).show(subject)
    if json:
        document(_agreed_json(held))
        return
    _show_agreed(held)


@app.command()
def methods(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind of child.")] = "child",
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """The methods that the policy lists, the clauses that they carry out, and which may be used here."""
    with opened(policy) as library:
        offered = Families(library).methods(kind)
    if json:
        document([{"method": one.name, "clause": one.clause, "unfit": one.unfit, "stand_in": one.stand_in} for one in offered])
        return
    rows = [(one.name, one.clause, "a stand-in: verifies nobody" if one.stand_in else one.unfit or "may be used") for one in offered]
    table("", ("method", "clause", "here"), rows)


@app.command()
def family(household: Child, policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Who is in a household, who decides for whom, and what each agreed to."""
    with opened(policy) as library:
        held = Families(library).household(household)
    if json:
        document(_household_json(held))
        return
    rows = [
        (escape(one.text), "child" if one.minor else "", ", ".join(map(escape, one.guardians)), ", ".join(one.agreed), ", ".join(one.open_))
        for one in held.members
    ]
    table(escape(held.text), ("who", "", "guardians", "agreed to", "not agreed to"), rows)


@app.command()
def guardian(
    child: Child,
    guardian: Guardian,
    evidence: Annotated[str | None, typer.Option(help="How it was shown that they decide, in words that name nobody.")] = None,
    ended: Annotated[str | None, typer.Option(help="Why they decide no more; their word then counts neither way.")] = None,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Record who decides for a child where no store says so, or that somebody no longer does."""
    if (evidence is None) == (ended is None):
        raise InvalidRequest("say how it was shown (--evidence), or why it ended (--ended)")
    with opened(policy) as library:
        if ended is not None:
            _settled(Families(library).end_guardian(child, guardian, because=ended), as_json=json, done="ended")
            return
        held = Families(library).guardian(child, guardian, evidence=str(evidence))
    if json:
        document({"since": held.since.isoformat(), "evidence": held.evidence})
    else:
        out.print(f"recorded, since {held.since:%Y-%m-%d}")


@app.command()
def claim(
    item: Annotated[str, typer.Argument(metavar="STORE.COLLECTION/KEY", help="The recording or picture that nobody is attributed to.")],
    whose: Annotated[str, typer.Option("--for", metavar="KIND:KEY", help="Whose it is: a member of the household.")],
    household: Annotated[str, typer.Option(metavar="KIND:KEY", help="The household whose record it is.")],
    by: Annotated[str, typer.Option(help="The role of who says so.")] = "guardian",
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Say whose an unattributed record is: it then ends by the stricter term, and goes with that person."""
    with opened(policy) as library:
        held = Families(library).claim(item, whose, household, by=by)
    ends = held.ends_at.isoformat() if held.ends_at is not None else None
    if json:
        document({"claim": held.id, "ends_at": ends, "request": held.request_id})
    elif held.request_id is not None:
        out.print(f"claimed; nobody has agreed to it for them, so it is being erased: {held.request_id}")
    else:
        out.print(f"claimed; it goes by {ends or 'the end of its own term'}")


@app.command()
def settle(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Do what has come due: confirmations, lapses, ends, erasures and proofs. `expunge work` does so too."""
    with opened(policy) as library:
        settled = Families(library).settle()
    _settled(settled, as_json=json, done="settled")


def _settled(settled: Settled, *, as_json: bool, done: str) -> None:
    counts: dict[str, Json] = {name: getattr(settled, name) for name in ("confirmed", "lapsed", "expired", "filed", "proven", "waiting")}
    if as_json:
        document({**counts, "runs": list(settled.runs)})
        return
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    out.print(f"{done}{': ' + told if told else ''}")
    if settled.runs:
        out.print(f"`expunge work` erases: {', '.join(settled.runs)}")


def _show_asked(asked: Asked) -> None:
    out.print(f"asked: [bold]{asked.id}[/]")
    out.print(escape(asked.wording.text))
    _show_more(asked.shown)


def _show_answered(answered: Answered) -> None:
    colour = {"verified": "green", "pending": "yellow"}.get(answered.result.value, "red")
    out.print(f"[{colour}]{answered.result.value}[/]{': ' + escape(answered.because) if answered.because else ''}")
    _show_more(answered.shown)


def _show_more(shown: Mapping[str, Json]) -> None:
    """What the guardian is to see now: a form's text, questions with their choices."""
    for name, held in shown.items():
        if isinstance(held, Sequence) and not isinstance(held, str):
            for one in held:
                assert isinstance(one, Mapping)
                choices = one["choices"]
                assert isinstance(choices, Sequence)
                out.print(f"{escape(str(one['ask']))}  " + "  ".join(f"{place}) {escape(str(each))}" for place, each in enumerate(choices)))
        elif isinstance(held, str):
            out.print(escape(held))
        else:
            out.print(f"{name}: {held}")


def _show_agreed(held: Agreed) -> None:
    if held.minor:
        out.print(f"decided for by: {', '.join(map(escape, held.guardians)) or 'nobody that we know of'}")
    rows = [(one.matter, one.sort.value, "[green]yes[/]" if one.given else "no", _words(one)) for one in held.standings]
    table("", ("matter", "what sort", "agreed to", "who said what"), rows)
    for asked in held.askings:
        gone = (
            f"what it needed was destroyed {asked.destroyed_at:%Y-%m-%d %H:%M}"
            if asked.destroyed_at
            else f"open until {asked.due:%Y-%m-%d}"
        )
        leaf = f", log entry {asked.leaf}" if asked.leaf is not None else ""
        out.print(f"{asked.id} by {asked.method}, {asked.asked_at:%Y-%m-%d}: {asked.outcome or 'waits'}; {gone}{leaf}")
    for duty in held.duties:
        out.print(f"{duty.why.value} {duty.at:%Y-%m-%d}: erasure {duty.outcome or 'not filed yet'} {duty.request_id or ''}".rstrip())


def _words(one: Standing) -> str:
    return "; ".join(
        f"{escape(who)}: {held.word.event.value} {held.at:%Y-%m-%d}, by {held.word.method or 'nobody'}" for who, held in one.words
    )


def _agreed_json(held: Agreed) -> Json:
    return {
        "guardians": list(held.guardians),
        "matters": [
            {
                "matter": one.matter,
                "sort": one.sort.value,
                "given": one.given,
                "words": [
                    {
                        "who": who,
                        "event": each.word.event.value,
                        "method": each.word.method,
                        "wording": each.word.wording_digest,
                        "at": each.at.isoformat(),
                        "until": each.word.until.isoformat() if each.word.until else None,
                    }
                    for who, each in one.words
                ],
            }
            for one in held.standings
        ],
        "askings": [
            {
                "id": one.id,
                "method": one.method,
                "outcome": one.outcome,
                "destroyed_at": one.destroyed_at.isoformat() if one.destroyed_at else None,
                "log_index": one.leaf,
            }
            for one in held.askings
        ],
        "duties": [{"why": one.why.value, "outcome": one.outcome, "request": one.request_id} for one in held.duties],
    }


def _household_json(held: Household) -> Json:
    return {
        "household": held.text,
        "members": [
            {"who": one.text, "minor": one.minor, "guardians": list(one.guardians), "agreed": list(one.agreed), "open": list(one.open_)}
            for one in held.members
        ],
    }


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise InvalidRequest("the file can't be read", where=str(path)) from None


def _json_of(path: Path) -> Json:
    try:
        held: Json = jsonlib.loads(_bytes_of(path))
    except ValueError:
        raise InvalidRequest("the file is not JSON", where=str(path)) from None
    return held
