"""Many needles: tables are asked in groups, lie in files beyond a bound, and memory stays under one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.hunt_corpus import Corpus
from expunge.hunt import strings_tables
from expunge.hunt.pieces import Blob
from expunge.hunt.prints import Matcher, Role, Trace
from expunge.hunt.strings import Strings
from expunge.hunt.strings_tables import size_of
from tests.hunt.strings.looking import PLACE

COUNT = 9_000


def seen(by: Matcher, content: bytes) -> list[tuple[int, int, str, int | None]]:
    return [(one.subject, one.print, one.form, one.offset) for one in by.look(Blob(PLACE, 0, content))]


def test_groups_and_files_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = list(Corpus(3).traces(COUNT))
    pages = list(Strings().take(traces))
    content = "\n".join(f'{{"{one.type}": "{one.value}"}}' for one in traces[::97]).encode()
    one = seen(Strings().matcher(pages), content)
    assert {number for number, _, _, _ in one} >= {trace.subject for trace in traces[::97] if trace.role is Role.KEY}
    monkeypatch.setattr(strings_tables, "GROUP", 1 << 20)
    assert seen(Strings().matcher(pages), content) == one
    monkeypatch.setattr(strings_tables, "MEMORY", 1 << 20)
    assert seen(Strings().matcher(pages), content) == one


def test_groups_are_made_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = list(Strings().take(Corpus(3).traces(COUNT)))
    monkeypatch.setattr(strings_tables, "GROUP", 1 << 19)
    groups, prints = strings_tables.build(pages)
    assert len(groups) == len(pages) == 3
    assert len(prints.subject) == COUNT
    assert all(size_of(group) < 8 << 20 for group in groups)


def test_pages_hold_no_plaintext() -> None:
    traces = [Trace(0, Role.KEY, "app.people.email", "email", "anna.katharina@example.com"), *Corpus(3).traces(50)]
    whole = b"".join(Strings().take(traces))
    for trace in traces:
        assert str(trace.value).encode() not in whole
    assert b"katharina" not in whole


SCRIPT = """
import pathlib, re, sys
from bench.hunt_corpus import Corpus
from expunge.hunt.pieces import Blob, Place
from expunge.hunt.strings import Strings
by = Strings().matcher(Strings().take(Corpus(1).traces(int(sys.argv[1]))))
content = Corpus(2).plain(4 << 20)
list(by.look(Blob(Place("s", "p"), 0, content)))
print(int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) >> 10)
"""
"""The largest memory of this program alone: what ``getrusage`` tells began with that of the process that started it (getrusage(2))."""


@pytest.mark.slow
def test_memory_is_bounded_by_a_gigabyte_for_half_a_million() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, "500000"], capture_output=True, text=True, check=True, timeout=550)
    assert int(done.stdout) < 850
