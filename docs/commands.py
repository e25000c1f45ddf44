"""The command line's reference, from the very objects that answer ``--help``: nothing here is written by hand."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import typer

from expunge.cli.main import app

HEAD = """\
# Commands

Generated from `expunge --help` and each command's own (`make docs`). Every command takes `--help`. With `--json` a command prints one
JSON document on stdout and nothing else; progress and faults go to stderr. Exit status 0 is only ever "done"; the others are the
[errors](errors/README.md).

"""


def commands() -> str:
    """The whole file."""
    root = typer.main.get_command(app)
    return HEAD + "\n".join(_section(name, command) for name, command in _walk(root, "expunge")).rstrip() + "\n"


def _walk(command: object, name: str) -> Iterator[tuple[str, object]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word in sorted(below):
        yield from _walk(below[word], f"{name} {word}")


def _section(name: str, command: object) -> str:
    told = inspect.cleandoc(str(getattr(command, "help", "") or ""))
    rows = [_row(one) for one in getattr(command, "params", ()) if getattr(one, "name", "") != "help"]
    words = " ".join(_metavar(one) for one in getattr(command, "params", ()) if one.param_type_name == "argument")
    usage = " ".join(part for part in (name, words, "[OPTIONS]" if rows else "") if part)
    table = "\n| | Meaning | Default |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    return f"## {name}\n\n```text\n{usage}\n```\n\n{told}\n{table}"


def _metavar(argument: object) -> str:
    given = getattr(argument, "metavar", None) or str(getattr(argument, "name", "")).upper()
    return given if getattr(argument, "required", False) or given.startswith("[") else f"[{given}]"


def _row(one: object) -> str:
    if getattr(one, "param_type_name", "") == "argument":
        name = f"`{_metavar(one)}`"
    else:
        name = ", ".join(f"`{word}`" for word in reversed(getattr(one, "opts", ())))
    variable = getattr(one, "envvar", None)
    told = str(getattr(one, "help", "") or "").replace("|", "\\|") + (f" Environment: `{variable}`." if variable else "")
    return f"| {name} | {told} | {_default(one)} |"


def _default(one: object) -> str:
    held = getattr(one, "default", None)
    if getattr(one, "required", False):
        return "required"
    return "" if held is None or held is False or callable(held) or held == () else f"`{held}`"
