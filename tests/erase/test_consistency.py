"""The statements of a log agree with each other, and a log whose signers made something up is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical
from expunge.evidence.consistency import check_statements
from expunge.evidence.receipts import make_entry
from tests.erase.toy import erased, opened, toy


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A real log of three runs, one with two requests and a record that two people share."""
    place = toy(tmp_path_factory.mktemp("log") / "estate")
    erased(place, "adult:21", "child:11")
    erased(place, "household:3")
    erased(place, "child:12")
    with opened(place) as library:
        library.check_log()
        return list(library.rooms.log.entries())


def test_a_real_log_agrees_with_itself(entries: list[bytes]) -> None:
    assert check_statements(entries) == 4


def _more(statement: dict[str, Any]) -> None:
    row = next(row for store in statement["stores"] for row in store["collections"])
    row["erased"] += 1000


def _higher(statement: dict[str, Any]) -> None:
    next(row for store in statement["stores"] for row in store["collections"])["level"] = "key destroyed"


def _elsewhere(statement: dict[str, Any]) -> None:
    statement["run"]["log_index"] = 99


def _otherwise(statement: dict[str, Any]) -> None:
    statement["run"]["statement_digest"] = "0" * 64


def _earlier(statement: dict[str, Any]) -> None:
    statement["times"]["erased_at"] = "1999-01-01T00:00:00+00:00"


@pytest.mark.parametrize("change", [_more, _higher, _elsewhere, _otherwise, _earlier])
def test_a_receipt_that_is_signed_but_made_up(change: Callable[[dict[str, Any]], None], entries: list[bytes]) -> None:
    made = json.loads(entries[1])
    assert made["type"] == "receipt/1"
    change(made["statement"])
    with pytest.raises(BadProof, match="entry 1"):
        check_statements([entries[0], canonical(made), *entries[2:]])


def test_a_second_receipt_for_one_request(entries: list[bytes]) -> None:
    with pytest.raises(BadProof, match="a second receipt"):
        check_statements([*entries, entries[1]])


def test_the_log_check_asks_it(tmp_path: Path) -> None:
    place = toy(tmp_path / "estate")
    erased(place, "child:11")
    with opened(place) as library:
        made = json.loads(library.rooms.log.entry(1))["statement"]
        made["request"]["id"] = "req_invented"
        made["run"]["log_index"] = 77
        library.rooms.log.append([make_entry("receipt/1", made, library.rooms.executor, library.rooms.verifier)])
        with pytest.raises(BadProof, match="entry 2"):
            library.check_log()
