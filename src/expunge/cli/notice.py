"""``expunge notice``: what the public is told, printed from the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from expunge.app.publishing import FORMATS, Printed, kind_of, printed, publish, published, write
from expunge.cli.show import DEFAULT_POLICY, AsJson, PolicyPath, document, err, opened, out, relative, table
from expunge.errors import InvalidRequest
from expunge.family.notice_page import Format
from expunge.family.notices import Kind

app = typer.Typer(help="Print the notices from the policy, and publish them by version.", no_args_is_help=True)

For = Annotated[str | None, typer.Option("--for", help="Only for this kind of subject; a direct notice is about the children.")]
SaySo = Annotated[bool, typer.Option("--say-so", help="Print a sentence that does not hold now, and say so in it.")]


def _command(kind: Kind) -> Callable[..., None]:
    def command(
        about: For = None,
        as_: Annotated[str, typer.Option("--format", help="md, html or txt.")] = "md",
        to: Annotated[Path | None, typer.Option("--out", help="Write it into this folder.", file_okay=False)] = None,
        say_so: SaySo = False,
        policy: PolicyPath = DEFAULT_POLICY,
        json: AsJson = False,
    ) -> None:
        form = _format(as_)
        with opened(policy) as library:
            found = printed(library, kind, about, say_so=say_so)
        if to is not None:
            out.print(f"wrote {relative(write(found, form, to))}", markup=False)
        elif json:
            document(found.notice.as_json())
        else:
            out.file.write(found.text(form))
        _tell(found)

    return command


_TELLS: Mapping[Kind, str] = {
    "online": "Print the whole notice: what is collected, why, with whom, for how long, and how to see, stop and delete it.",
    "direct": "Print what a parent is told before anything is collected: the seven parts of 16 CFR 312.4(c)(1).",
    "retention": "Print the retention policy: purpose, need and time for each category (16 CFR 312.10).",
    "deletion": "Print how to see and delete what is held, what happens then, and what stays.",
}
_CHECKED = "Every sentence is held against its control first; one that does not hold is refused, exit 84."
for _kind, _told in _TELLS.items():
    app.command(_kind, help=f"{_told}\n\n{_CHECKED}")(_command(_kind))


@app.command("publish")
def publish_(
    kind: Annotated[str, typer.Argument(help="online, direct, retention or deletion.")],
    about: For = None,
    say_so: SaySo = False,
    policy: PolicyPath = DEFAULT_POLICY,
    json: AsJson = False,
) -> None:
    """Keep a notice by its version, and write the version into the evidence log. A text that did not change keeps its version."""
    with opened(policy) as library:
        done = publish(library, kind_of(kind), about, say_so=say_so)
    if json:
        document({"notice": done.kind, "for": done.about, "version": done.version, "log_index": done.log_index, "new": done.is_new})
    else:
        out.print(f"{'published' if done.is_new else 'published before'}: {done.kind}, version {done.version}, log entry {done.log_index}")


@app.command("versions")
def versions(policy: PolicyPath = DEFAULT_POLICY, json: AsJson = False) -> None:
    """Every published version, oldest first."""
    with opened(policy) as library:
        found = published(library)
    if json:
        document([{"notice": one.kind, "for": one.about, "version": one.version, "log_index": one.log_index} for one in found])
    else:
        rows = [(one.kind, one.about or "everybody", one.version, one.log_index) for one in found]
        table("", ("notice", "for", "version", "log entry"), rows, right=("log entry",))


def _format(text: str) -> Format:
    for one in FORMATS:
        if one == text:
            return one
    raise InvalidRequest(f"a notice is printed as {', '.join(FORMATS)}")


def _tell(found: Printed) -> None:
    if found.unchecked:
        err.print(f"[yellow]{found.unchecked} of {len(found.checked)} sentences could not be checked[/]: `expunge claims check --notices`")
