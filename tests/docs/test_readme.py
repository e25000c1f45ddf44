"""The README's blocks, and every command that any document or hint names, are what the program has."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.generate import ROOT, faults
from examples.home.estate import build
from examples.home.where import Where
from expunge.cli.main import app

README = (ROOT / "README.md").read_text(encoding="utf-8")
SKIPPED = {"shared", ".venv", "demo", "node_modules"}
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`(expunge [^`\n]+)`")


def documents() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts) and ".cache" not in str(path))


def lines(text: str) -> Iterator[str]:
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            yield from (part.strip() for part in line.split("&&"))


def expunge_lines() -> Iterator[tuple[str, str]]:
    for path in documents():
        text = path.read_text(encoding="utf-8")
        found = [line for line in lines(text) if line.startswith("expunge ")] + INLINE.findall(text)
        for line in dict.fromkeys(found):
            yield path.name, line
    for fault in faults():
        for line in INLINE.findall(fault.hint):
            yield fault.__name__, line


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """What the Python block prints on a tiny estate, and where that lies."""
    home = tmp_path_factory.mktemp("readme") / "home"
    build(Where(home), 2)
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    printed = io.StringIO()
    with contextlib.chdir(home), contextlib.redirect_stdout(printed):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    return printed.getvalue().splitlines(), home


def test_the_python_block_runs_on_a_tiny_estate(said: tuple[list[str], Path]) -> None:
    lines, _ = said
    assert re.fullmatch(r"1 person, \d+ records", lines[0])
    assert lines[1] == "closed complete"
    assert {line.split(" ")[0] for line in lines[2:]} == {"run/1", "receipt/1"}


def test_the_hold_in_operating_holds(said: tuple[list[str], Path]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/operating.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "operating"}
    with contextlib.chdir(said[1]):
        exec(compile(block, "operating.md", "exec"), names)
    assert names["started"].outcomes == {0: "held"}
    receipt = f".expunge/evidence/receipts/{names['started'].requests[0].id}.receipt.json"
    assert (said[1] / receipt).exists()


def test_every_field_of_a_receipt_is_explained(said: tuple[list[str], Path]) -> None:
    text = (ROOT / "docs/receipts.md").read_text(encoding="utf-8")
    told = {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", code)}
    receipts = [json.loads(path.read_bytes()) for path in (said[1] / ".expunge/evidence/receipts").glob("*.json")]
    assert len(receipts) >= 2
    named = {name for receipt in receipts for name in _names(receipt)}
    places = {name for name in named if "." in name}  # untouched collections are keys by their address
    assert named - places <= told


def _names(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield name
            yield from _names(below)
    elif isinstance(value, list):
        for below in value:
            yield from _names(below)


@pytest.mark.parametrize(("where", "line"), list(expunge_lines()))
def test_a_command_that_is_named_exists_with_its_options(where: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command = typer.main.get_command(app)
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        if words[0] in ("…", "--help"):
            return
        assert words[0] in command.commands, f"{where}: there is no `{line}`"
        command = command.commands[words.pop(0)]
    options = {word for one in command.params for word in one.opts} | {"--help"}
    named = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert named <= options, f"{where}: `{line}` has no {sorted(named - options)}"


def test_make_targets_and_modules_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for path in documents():
        text = path.read_text(encoding="utf-8")
        named = set(re.findall(r"`make ([a-z-]+)`", text)) | {line.split()[1] for line in lines(text) if line.startswith("make ")}
        assert named <= targets, path
        for line in lines(text):
            if module := re.match(r"python -m ([\w.]+)", line):
                assert importlib.util.find_spec(module[1]) is not None, line


def test_the_first_two_commands_are_demo_and_test() -> None:
    assert [line for line in lines(README) if line.startswith("make ")][:2] == ["make demo", "make test"]


def test_architecture_fits_two_pages() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 120
