"""Writes the generated parts of the documents: ``make docs``. ``tests/docs`` fails while one of them is not what this gives.

Some files are generated whole (``docs/cli.md``). In others only what stands between two comments is
(``<!-- generated: stores -->`` … ``<!-- end -->``); the rest is written by hand and left alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from docs.commands import commands
from docs.settings_table import settings
from docs.store_table import store_table
from expunge import errors, errors_gate
from expunge.errors import ExpungeError

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)
TITLE = re.compile(r"^# \d+\. (.+)$", re.MULTILINE)
STATE = re.compile(r"^- Status: (.+)$", re.MULTILINE)


def faults() -> list[type[ExpungeError]]:
    """Every class of ``errors.py`` and its branch, root and groups included, in the order in which they are written."""
    written = [*vars(errors).values(), *vars(errors_gate).values()]
    return list(dict.fromkeys(one for one in written if isinstance(one, type) and issubclass(one, ExpungeError)))


def group_of(fault: type[ExpungeError]) -> type[ExpungeError]:
    """The class right under the root: who must act. The root is its own."""
    return next((one for one in fault.__mro__ if ExpungeError in one.__bases__), ExpungeError)


def facts(fault: type[ExpungeError]) -> str:
    """What the program itself knows of an error, for its page."""
    again = "yes, with back-off" if fault.retryable else "no"
    return (
        "| Class | Group | Exit | HTTP | Tried again by itself |\n|---|---|---|---|---|\n"
        f"| `{fault.__name__}` | `{group_of(fault).code}` | {fault.exit_status} | {fault.http_status} | {again} |\n\n"
        f"Hint: {fault.hint}\n"
    )


def error_index() -> str:
    """All errors, by group, with a link to each page."""
    lines = ["| Code | Exit | HTTP | What happened |", "|---|---|---|---|"]
    for fault in faults():
        meaning = (fault.__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
        name = f"**[{fault.code}]({fault.code}.md)**" if fault is group_of(fault) else f"[{fault.code}]({fault.code}.md)"
        lines.append(f"| {name} | {fault.exit_status} | {fault.http_status} | {' '.join(meaning.split()).replace('``', '`')} |")
    return "\n".join(lines) + "\n"


def decisions() -> str:
    """The decision records with their titles and states.

    Raises:
        LookupError: one lacks either.
    """
    lines = ["| | Decision | State |", "|---|---|---|"]
    for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        title, state = TITLE.search(text), STATE.search(text)
        if title is None or state is None:
            msg = f"{path.relative_to(ROOT)} has no title (`# N. …`) or no `- Status: …`"
            raise LookupError(msg)
        lines.append(f"| {path.name[:4]} | [{title[1]}]({path.name}) | {state[1]} |")
    return "\n".join(lines) + "\n"


def blocks() -> Mapping[Path, Mapping[str, Callable[[], str]]]:
    """Which files have generated blocks, and what gives each."""
    found: dict[Path, Mapping[str, Callable[[], str]]] = {
        ROOT / "README.md": {"stores": store_table},
        ROOT / "docs/errors/README.md": {"errors": error_index},
        ROOT / "docs/adr/README.md": {"decisions": decisions},
        ROOT / "docs/settings.md": {"settings": settings},
    }
    for fault in faults():
        found[ROOT / f"docs/errors/{fault.code}.md"] = {"facts": lambda fault=fault: facts(fault)}  # type: ignore[misc]  # mypy can't type a default
    return found


def generated() -> Iterator[tuple[Path, str]]:
    """Every file with a generated part, as it should be.

    Raises:
        LookupError: a file lacks a block that it should have.
    """
    yield ROOT / "docs/cli.md", commands()
    for path, makers in blocks().items():
        text = path.read_text(encoding="utf-8")
        held = {one["name"] for one in BLOCK.finditer(text)}
        if held != set(makers):
            msg = f"{path.relative_to(ROOT)} should have the generated blocks {sorted(makers)} and has {sorted(held)}"
            raise LookupError(msg)
        yield path, BLOCK.sub(lambda one, makers=makers: f"{one[1]}{makers[one['name']]()}{one[4]}", text)  # type: ignore[misc]  # as above


def main() -> None:
    """Write what is not current; say which."""
    for path, text in generated():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
