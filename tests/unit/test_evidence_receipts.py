"""Receipts: what verifies, and that nothing else does."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
from pathlib import Path

import pytest

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical
from expunge.evidence.commitments import Opening, commitment
from expunge.evidence.log import Log
from expunge.evidence.receipts import assemble, assemble_each, make_entry, read_entry, verify_receipt
from expunge.evidence.signing import Signer
from expunge.evidence.trust import Trust
from expunge.terms import Identifier, Json
from expunge.testing.clock import FakeClock

LOG, EXECUTOR, VERIFIER, WITNESS = (Signer(f"home.example/{name}", bytes([seed]) * 32) for seed, name in enumerate("levw", 1))
TRUST = Trust.of(LOG.vkey, EXECUTOR.vkey, VERIFIER.vkey, (WITNESS.key.for_cosignatures().text,))
STATEMENT: dict[str, Json] = {"request": "7d0c", "stores": [{"collection": "clips", "before": 3, "after": 0}], "out of scope": ["ä"]}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log.open(tmp_path / "log", LOG, FakeClock())
    made.append([b"%d" % number for number in range(5)])
    return made


@pytest.fixture
def receipt(log: Log) -> bytes:
    entry = make_entry("receipt/1", STATEMENT, EXECUTOR, VERIFIER)
    (index,) = log.append([entry])
    log.append([b"later"] * 3)
    head = log.checkpoint()
    text = head.note.rpartition("\n\n")[0] + "\n"
    log.add_cosignatures(WITNESS.cosign(text, head.at).line, [WITNESS.key.for_cosignatures()])
    return assemble(entry, index, log)


def test_a_receipt_says_what_was_signed(receipt: bytes, log: Log) -> None:
    verified = verify_receipt(receipt, TRUST.to_json())
    assert verified.kind == "receipt/1"
    assert verified.statement == STATEMENT
    assert (verified.index, verified.size) == (5, 9)
    assert verified.logged_at == log.checkpoint().at
    assert (verified.log, verified.executor, verified.verifier) == ("home.example/l", "home.example/e", "home.example/v")
    assert verified.witnesses == ("home.example/w",)


def test_every_flipped_bit_is_refused(receipt: bytes) -> None:
    trust = TRUST.to_json()
    for place in range(len(receipt)):
        for bit in range(8):
            flipped = bytearray(receipt)
            flipped[place] ^= 1 << bit
            with pytest.raises(BadProof):
                verify_receipt(bytes(flipped), trust)


def test_every_dropped_doubled_or_added_byte_is_refused(receipt: bytes) -> None:
    trust = TRUST.to_json()
    for place in range(len(receipt)):
        for changed in (
            receipt[:place] + receipt[place + 1 :],
            receipt[:place] + receipt[place : place + 1] + receipt[place:],
            receipt[:place] + b" " + receipt[place:],
        ):
            with pytest.raises(BadProof):
                verify_receipt(changed, trust)
    with pytest.raises(BadProof):
        verify_receipt(receipt + b"\n", trust)


def test_only_the_bundles_keys_count(receipt: bytes) -> None:
    other = Signer("home.example/e", bytes([9]) * 32)
    for bundle in (
        Trust.of(LOG.vkey, other.vkey, VERIFIER.vkey, (WITNESS.key.for_cosignatures().text,)),
        Trust.of(LOG.vkey, VERIFIER.vkey, EXECUTOR.vkey, (WITNESS.key.for_cosignatures().text,)),
        Trust.of(other.vkey, EXECUTOR.vkey, VERIFIER.vkey, (WITNESS.key.for_cosignatures().text,)),
        Trust.of(LOG.vkey, EXECUTOR.vkey, VERIFIER.vkey),
    ):
        with pytest.raises(BadProof):
            verify_receipt(receipt, bundle.to_json())


def _changed(receipt: bytes, **parts: Json) -> bytes:
    return canonical({**json.loads(receipt), **parts})


def test_rewritten_receipts_are_refused(receipt: bytes, log: Log) -> None:
    parts = json.loads(receipt)
    entry = parts["entry"]
    checkpoint = parts["checkpoint"]
    lines = checkpoint.splitlines(keepends=True)
    wrong: list[dict[str, Json]] = [
        {"more": 1},
        {"type": "inclusion/2"},
        {"index": 4},
        {"index": True},
        {"index": "5"},
        {"index": -1},
        {"proof": parts["proof"][:-1]},
        {"proof": [*parts["proof"], parts["proof"][0]]},
        {"proof": "none"},
        {"proof": [1]},
        {"proof": ["AAAA"]},
        {"checkpoint": 1},
        {"checkpoint": checkpoint + lines[-1]},
        {"checkpoint": "".join([*lines[:-3], *lines[-2:]])},
        {"checkpoint": checkpoint + Signer("x", bytes(32)).sign_note("y").line},
        {"entry": {**entry, "type": "receipt/2"}},
        {"entry": {**entry, "more": 1}},
        {"entry": {**entry, "statement": []}},
        {"entry": {**entry, "signatures": {**entry["signatures"], "judge": entry["signatures"]["verifier"]}}},
        {"entry": {**entry, "signatures": {"executor": entry["signatures"]["verifier"], "verifier": entry["signatures"]["executor"]}}},
        {"entry": {**entry, "signatures": "none"}},
        {"entry": []},
    ]
    for change in wrong:
        with pytest.raises(BadProof):
            verify_receipt(_changed(receipt, **change), TRUST.to_json())
    assert _changed(receipt) == receipt


def test_an_entry_of_an_unknown_kind_is_neither_made_nor_read() -> None:
    with pytest.raises(BadProof):
        make_entry("rumour/1", STATEMENT, EXECUTOR, VERIFIER)
    with pytest.raises(BadProof):
        make_entry("run/1", {"ratio": float("inf")}, EXECUTOR, VERIFIER)
    entry = make_entry("run/1", STATEMENT, EXECUTOR, VERIFIER)
    assert read_entry(entry, TRUST).statement == STATEMENT
    with pytest.raises(BadProof):
        read_entry(entry.replace(b"run/1", b"receipt/1"), TRUST)


def test_a_receipt_is_only_given_for_what_the_log_holds(log: Log) -> None:
    entry = make_entry("run/1", STATEMENT, EXECUTOR, VERIFIER)
    for index in (0, 4, 5, -1):
        with pytest.raises(BadProof):
            assemble(entry, index, log)


def test_many_receipts_share_one_checkpoint(log: Log) -> None:
    made = [make_entry("receipt/1", {"request": str(number)}, EXECUTOR, VERIFIER) for number in range(5)]
    numbered = list(zip(log.append(made), made, strict=True))
    receipts = list(assemble_each(numbered, log))
    assert receipts == [assemble(entry, index, log) for index, entry in numbered]
    assert [verify_receipt(one, TRUST.to_json()).statement["request"] for one in receipts] == list("01234")


def test_verifying_needs_nothing_but_evidence() -> None:
    script = (
        "import sys, expunge.evidence.receipts\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & {'sqlalchemy', 'pydantic', 'yaml', 'typer', 'pyarrow', 'boto3'}))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('expunge.') and not name.startswith('expunge.evidence')))\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == ["", "expunge.durable expunge.errors expunge.terms"]


def test_a_commitment_is_a_plain_hmac_bound_to_its_request() -> None:
    salt, who = bytes(range(32)), Identifier("child", "7")

    def plain(*parts: bytes) -> bytes:
        return b"".join(len(one).to_bytes(8, "big") + one for one in parts)

    own = hmac.digest(salt, plain(b"expunge request salt/1", b"r1"), "sha256")
    assert commitment(salt, who, "r1") == hmac.digest(own, plain(b"expunge commitment/1", b"child", b"7", b"r1"), "sha256").hex()
    others = {commitment(salt, who, "r2"), commitment(bytes(32), who, "r1"), commitment(salt, Identifier("chil", "d7"), "r1")}
    assert len(others | {commitment(salt, who, "r1")}) == 4


def test_an_opening_of_another_form_is_refused() -> None:
    held = Opening("req_a", Identifier("profile_id", "11"), bytes(32))
    assert Opening.from_json(held.to_json()) == held
    assert repr(held) == "Opening('req_a')"
    parts = json.loads(held.to_json())
    wrong: list[dict[str, Json]] = [
        {**parts, "type": "opening/2"},
        {**parts, "more": 1},
        {**parts, "request": 7},
        {**parts, "identifier": "profile_id"},
        {**parts, "identifier": {"type": "profile_id"}},
        {**parts, "identifier": {"type": "profile_id", "value": 11}},
        {**parts, "identifier": {"type": None, "value": "11"}},
        {**parts, "identifier": {**parts["identifier"], "more": 1}},
        {**parts, "salt": "AAA"},
        {name: value for name, value in parts.items() if name != "salt"},
    ]
    for one in wrong:
        with pytest.raises(BadProof):
            Opening.from_json(canonical(one))


def test_an_opening_is_of_one_request() -> None:
    held = Opening("req_a", Identifier("profile_id", "11"), bytes(32))
    for statement in ({}, {"request": "req_a"}, {"request": {"id": "req_b"}}):
        with pytest.raises(BadProof, match="not of this receipt's request"):
            held.require(statement, "child:11")
