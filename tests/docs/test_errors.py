"""Every error has a code of its own, a page, a status in its group's range, and a place that raises it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import ROOT, faults, group_of
from expunge import errors
from expunge.errors import ExpungeError

DRAWN = re.compile(r"^(?P<branch>[ │├└─]*[├└]── )(?P<name>\w+)(?P<rest>.*)$", re.MULTILINE)
PAGES = ROOT / "docs/errors"
GROUPS = [one for one in faults() if ExpungeError in one.__bases__]
GROUP_NAMES = {one.__name__ for one in GROUPS}
LEAVES = [one for one in faults() if not one.__subclasses__()]
TREE = (errors.__doc__ or "").split("::\n", 1)[1].split("\n\n")[0].strip("\n")


def page(fault: type[ExpungeError]) -> str:
    return (PAGES / f"{fault.code}.md").read_text(encoding="utf-8")


@functools.cache
def raised() -> set[str]:
    """The names of classes that the source raises, or builds to be raised."""
    found: set[str] = set()
    for path in (ROOT / "src/expunge").rglob("*.py"):
        if path.name not in ("errors.py", "errors_gate.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                named = node.exc if isinstance(node, ast.Raise) else node.func if isinstance(node, ast.Call) else None
                found |= {one.id for one in ast.walk(named) if isinstance(one, ast.Name)} if named is not None else set()
    return found


@functools.cache
def other_tests() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))


def test_codes_are_unique_and_each_has_a_page() -> None:
    codes = [one.code for one in faults()]
    assert len(set(codes)) == len(codes)
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(codes)


def test_exit_statuses_are_unique_and_lie_in_their_groups_range() -> None:
    statuses = [one.exit_status for one in faults()]
    assert len(set(statuses)) == len(statuses)
    for fault in faults():
        group = group_of(fault)
        if group is not ExpungeError:
            start, end = map(int, re.search(rf"{group.__name__} .*exit (\d+)-(\d+)", TREE).groups())  # type: ignore[union-attr]  # a None fails
            assert start <= fault.exit_status <= end, fault


def test_only_what_time_may_mend_is_retryable() -> None:
    assert not any(one.retryable for one in faults() if group_of(one).code in ("policy", "request", "evidence"))


@pytest.mark.parametrize("fault", faults(), ids=lambda one: one.code)
def test_a_page_tells_what_happened_why_and_what_to_do(fault: type[ExpungeError]) -> None:
    text = page(fault)
    assert text.startswith(f"# {fault.code}\n")
    assert re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE) == ["What happened", "Why", "What to do"]
    shown = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert all(line.startswith(f"error {fault.code} ") for line in shown)
    assert bool(shown) == ("Nothing raises" not in text)


@pytest.mark.parametrize("fault", LEAVES, ids=lambda one: one.code)
def test_a_class_is_raised_somewhere_or_tested(fault: type[ExpungeError]) -> None:
    assert fault.__name__ in raised() or re.search(rf"\b{fault.__name__}\b", other_tests())


def test_groups_that_say_nothing_raises_them_are_not_raised() -> None:
    every: list[type[ExpungeError]] = [ExpungeError, *GROUPS]
    silent = {one.__name__ for one in every if "Nothing raises" in page(one)}
    assert not silent & raised()


def test_the_drawn_tree_is_the_classes() -> None:
    assert list(drawn()) == [(one.__name__, group_of(one).__name__) for one in faults() if one is not ExpungeError]


def drawn() -> Iterator[tuple[str, str]]:
    """(class, group) for each line of the docstring's tree below the root; a group is drawn one step in, its members two."""
    group = ""
    for name in DRAWN.finditer(TREE):
        group = name["name"] if len(name["branch"]) == len("    ├── ") else group
        yield name["name"], group


def test_the_tree_tells_which_are_tried_again() -> None:
    told = {name["name"]: "(retryable)" in name["rest"] for name in DRAWN.finditer(TREE)}
    assert {one.__name__: one.retryable for one in LEAVES} == {name: again for name, again in told.items() if name not in GROUP_NAMES}
