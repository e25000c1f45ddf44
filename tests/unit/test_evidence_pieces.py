"""Statements too long for one entry: whole in the log, whole in the receipt, and nothing else is accepted in their place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import BadProof
from expunge.evidence import pieces
from expunge.evidence.canonical import canonical
from expunge.evidence.log import Log
from expunge.evidence.pieces import PIECE_BYTES, cut, put_together, whole_statements
from expunge.evidence.receipts import assemble, make_entries, make_entry, verify_receipt
from expunge.evidence.signing import Signer
from expunge.evidence.tiles import MAX_ENTRY
from expunge.evidence.trust import Trust
from expunge.terms import Json
from expunge.testing.clock import FakeClock

LOG, EXECUTOR, VERIFIER = (Signer(f"home.example/{name}", bytes([seed]) * 32) for seed, name in enumerate("lev", 1))
TRUST = Trust.of(LOG.vkey, EXECUTOR.vkey, VERIFIER.vkey).to_json()


def statement(collections: int) -> dict[str, Json]:
    rows: list[Json] = [
        {"collection": f"app.table_{number}", "before": number, "after": 0, "note": 'the server\'s log keeps "copies", 30 days ä'}
        for number in range(collections)
    ]
    return {"run": "run_x", "stores": [{"store": "app", "collections": rows, "nothing_found_in": []}]}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log.open(tmp_path / "log", LOG, FakeClock())


@pytest.fixture
def receipt(log: Log) -> bytes:
    """Of a thousand collections, between short entries."""
    log.append([make_entry("run/1", {"run": "run_before"}, EXECUTOR, VERIFIER)])
    entries = make_entries("run/1", statement(1000), EXECUTOR, VERIFIER)
    place = log.append(entries)[-1]
    log.append([make_entry("run/1", {"run": "run_after"}, EXECUTOR, VERIFIER)])
    return assemble(entries[-1], place, log)


def test_a_short_statement_is_one_entry_as_before() -> None:
    short = statement(3)
    assert make_entries("run/1", short, EXECUTOR, VERIFIER) == [make_entry("run/1", short, EXECUTOR, VERIFIER)]


def test_a_statement_of_a_thousand_collections_is_verified_offline(receipt: bytes) -> None:
    found = verify_receipt(receipt, TRUST)
    assert (found.kind, found.statement) == ("run/1", statement(1000))
    assert len(canonical(dict(found.statement))) > MAX_ENTRY


def test_the_log_gives_the_same_statements(receipt: bytes, log: Log) -> None:
    del receipt
    assert [(one.kind, one.statement.get("run")) for one in whole_statements(log.entries())] == [
        ("run/1", "run_before"),
        ("run/1", "run_x"),
        ("run/1", "run_after"),
    ]
    log.check()


def test_a_flipped_byte_is_refused(receipt: bytes) -> None:
    for place in range(0, len(receipt), 997):  # 200 places, in every part
        flipped = bytearray(receipt)
        flipped[place] ^= 1
        with pytest.raises(BadProof):
            verify_receipt(bytes(flipped), TRUST)


def _another(parts: dict[str, Any]) -> None:
    parts["statement"]["stores"][0]["collections"][7]["before"] = 8


def _none(parts: dict[str, Any]) -> None:
    del parts["statement"]


def _as_if_short(parts: dict[str, Any]) -> None:
    parts["type"] = "inclusion/1"
    del parts["statement"]


def _not_an_object(parts: dict[str, Any]) -> None:
    parts["statement"] = [1]


@pytest.mark.parametrize("change", [_another, _none, _as_if_short, _not_an_object])
def test_another_statement_beside_the_head_is_refused(change: Callable[[dict[str, Any]], None], receipt: bytes) -> None:
    parts = json.loads(receipt)
    change(parts)
    with pytest.raises(BadProof):
        verify_receipt(canonical(parts), TRUST)


def test_a_statement_beside_one_that_was_not_cut_is_refused(log: Log) -> None:
    entry = make_entry("run/1", {"run": "run_x"}, EXECUTOR, VERIFIER)
    parts = json.loads(assemble(entry, log.append([entry])[0], log))
    parts |= {"type": "inclusion/2", "statement": {"run": "run_x"}}
    with pytest.raises(BadProof, match="entry binds"):
        verify_receipt(canonical(parts), TRUST)


def test_a_piece_is_no_receipt(log: Log) -> None:
    entries = make_entries("run/1", statement(1000), EXECUTOR, VERIFIER)
    first = log.append(entries)[0]
    with pytest.raises(BadProof, match="piece"):
        verify_receipt(assemble(entries[0], first, log), TRUST)


@pytest.mark.parametrize("bound", [1, {}, {"bytes": 1, "digest": "", "pieces": 0}, {"bytes": 1, "digest": "", "pieces": True}])
def test_a_head_that_binds_nothing_is_refused(bound: Json) -> None:
    with pytest.raises(BadProof, match="head"):
        list(whole_statements([make_entry("run/1", {"cut": bound}, EXECUTOR, VERIFIER)]))


@pytest.mark.parametrize("entry", [b"{}", b'{"statement":[],"type":"run/1"}', b'{"statement":null,"type":"piece/1"}'])
def test_an_entry_without_a_statement_is_not_one_of_ours(entry: bytes) -> None:
    with pytest.raises(BadProof, match="entry 7 is not one of ours"):
        list(whole_statements([entry], 7))


def test_pieces_without_their_head_are_refused() -> None:
    entries = make_entries("run/1", statement(1000), EXECUTOR, VERIFIER)
    short = make_entry("run/1", {"run": "run_x"}, EXECUTOR, VERIFIER)
    for wrong in (entries[:-1], [*entries[:-1], short], entries[1:], [entries[1], entries[0], *entries[2:]], [*entries[:-2], entries[-1]]):
        with pytest.raises(BadProof):
            list(whole_statements(wrong))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(st.dictionaries(texts, st.lists(texts, max_size=20), max_size=20), st.integers(4, 64))
@settings(deadline=None)
def test_whatever_is_cut_comes_together_again_in_bounded_entries(value: dict[str, Json], length: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", length)
        parts, head = cut({"run": "x", **value})
    assert put_together(head, parts) == {"run": "x", **value}
    assert all(len(str(part["text"]).encode()) <= length for part in parts)


def test_the_worst_text_still_fits_an_entry() -> None:
    worst: dict[str, Json] = {"note": '"\\' * PIECE_BYTES}
    assert max(len(one) for one in make_entries("run/1", worst, EXECUTOR, VERIFIER)) <= MAX_ENTRY
