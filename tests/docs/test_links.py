"""Relative links lead somewhere; no file names a path of somebody's machine or the host of a package registry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import ROOT

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SKIPPED = re.compile(r"(^|/)(\.[^/]+|demo|shared|node_modules|build|dist|__pycache__)(/|$)")
TEXT = {".md", ".py", ".toml", ".yml", ".yaml", ".lock", ".json", ".txt", ".cfg", ".sh", ""}
MACHINE = re.compile(r"(?<![\w.$}{-])/(?:work|root|Users|home/[a-z]+|mnt)/")
REGISTRY = re.compile("py" + r"pi\.org|python" + r"hosted|registry\.npm" + r"js|index-" + r"url\s*=|artifact" + "ory|deb" + r"ian\.org")


def files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        if path.is_file() and path.suffix in TEXT and not SKIPPED.search(path.relative_to(ROOT).as_posix()):
            yield path


def anchors(text: str) -> set[str]:
    """The anchors that a Markdown file's headings give."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


@pytest.mark.parametrize("path", [path for path in files() if path.suffix == ".md"], ids=lambda one: one.relative_to(ROOT).as_posix())
def test_relative_links_resolve(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = link.partition("#")
        goal = (path.parent / place).resolve() if place else path
        assert goal.exists(), link
        assert goal.is_relative_to(ROOT), link
        if anchor and goal.suffix == ".md":
            assert anchor in anchors(goal.read_text(encoding="utf-8")), link


def test_no_file_names_a_machine_or_a_registry() -> None:
    for path in files():
        text = path.read_text(encoding="utf-8", errors="replace")  # vectors hold what is not UTF-8 on purpose
        for pattern in (MACHINE, REGISTRY):
            found = pattern.search(text)
            assert found is None, f"{path.relative_to(ROOT)}: {text[max(0, found.start() - 30) : found.end() + 30]!r}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    """A page that nothing links to is not read."""
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
        for goal in ((page.parent / link).resolve() for link in links):
            todo += sorted(goal.glob("*.md")) if goal.is_dir() else [goal] if goal.suffix == ".md" and goal.exists() else []
    folders = (ROOT, ROOT / "docs", ROOT / "docs/errors", ROOT / "docs/adr", ROOT / "docs/stores")
    assert {path for path in files() if path.suffix == ".md" and path.parent in folders} <= seen
