"""``expunge ingest …``: what the door would say of records, before anything is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from expunge.app.ingesting import Verdict, door, read_arrivals
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, opened, table
from expunge.errors import InvalidRequest

app = typer.Typer(help="The door for new data: what may be stored, and why not.", no_args_is_help=True)


@app.command()
def check(
    arrivals: Annotated[Path, typer.Argument(metavar="FILE", help="One JSON object a line; - is stdin.", allow_dash=True)],
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Say of every record whether it may be stored, until when, and otherwise why not. Stores nothing.

    A line has subject (KIND:KEY) or household (the key, where nobody is attributed to it), collection, category, purpose, captured_at
    and perhaps the record's key. Ingest services ask the library (`expunge.app.ingesting.door`), which says the same.
    """
    with opened(policy) as library:
        batch = list(read_arrivals(library.policy, _lines(arrivals)))
        verdicts = door(library).admit(batch)
    if json:
        document([_json(one) for one in verdicts])
        return
    counts = Counter((one.collection, one.category, verdict.why or "may be stored") for one, verdict in zip(batch, verdicts, strict=True))
    rows = [(*place, count) for place, count in sorted(counts.items())]
    table("", ("collection", "category", "verdict", "records"), rows, right=("records",))


def _lines(path: Path) -> Iterable[str]:
    if str(path) == "-":
        return list(typer.get_text_stream("stdin"))
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InvalidRequest("the file can't be read as text in UTF-8", where=str(path)) from None


def _json(one: Verdict) -> dict[str, str | bool | None]:
    until = one.until.isoformat() if one.until is not None else None
    return {"admitted": one.admitted, "held_back": one.held_back, "why": one.why.value if one.why else None, "until": until}
