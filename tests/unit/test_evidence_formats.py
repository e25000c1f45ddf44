"""Canonical JSON, signed notes, keys, tiles and Merkle hashing against the specifications' own examples."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from expunge.errors import BadProof, EvidenceError
from expunge.evidence import merkle
from expunge.evidence.canonical import canonical, decode_base64, parse_exact, parse_object
from expunge.evidence.checkpoints import sign_checkpoint, verify_checkpoint
from expunge.evidence.notes import Note, NoteSignature, cosigned_message, pack_cosignature, parse_note, parse_vkey
from expunge.evidence.signing import Signer
from expunge.evidence.tiles import pack_entries, tile_name, unpack_entries
from expunge.evidence.trust import Trust
from expunge.terms import Json

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)

GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of Go's sumdb/note package."""

CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
"""The reference tree of the certificate-transparency project, 8 leaves."""


def signer(name: str = "log.example/one", seed: int = 1) -> Signer:
    return Signer(name, bytes([seed]) * 32)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1}\n',
        b' {"a":1}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":NaN}',
        b'{"a":9007199254740993}',
        b'{"a":"\\ud800"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}',
        b"",
        b"[" * 100_000,
    ],
)
def test_only_canonical_json_is_read(raw: bytes) -> None:
    with pytest.raises(BadProof):
        parse_exact(raw)


def test_canonical_json_is_read_back() -> None:
    value: Json = {"b": [1, True, None, "ü\u2028"], "a": {"x": "", "\u20ac": -5}}
    assert parse_exact(canonical(value)) == value
    with pytest.raises(BadProof):
        parse_object(b"[]")


def test_values_without_a_canonical_form_are_refused() -> None:
    for value in (float("nan"), 2**60, "\ud800"):
        with pytest.raises(BadProof):
            canonical({"a": value})


@pytest.mark.parametrize("text", ["AB==", "AAA", "AAA=\n", "A A=", "AAA-", "AAB=", 5, None])
def test_only_canonical_base64_is_read(text: Json) -> None:
    with pytest.raises(BadProof):
        decode_base64(text)


def test_a_note_signed_by_another_implementation_verifies() -> None:
    note, key = parse_note(GO_NOTE), parse_vkey(GO_VKEY)
    assert note.signatures[0].by(key)
    key.check(note.text.encode(), note.signatures[0].raw)
    assert key.text == GO_VKEY
    with pytest.raises(BadProof):
        key.check(note.text.encode() + b" ", note.signatures[0].raw)


@pytest.mark.parametrize(
    "broken",
    [
        GO_NOTE[:-1],
        GO_NOTE + "\n",
        GO_NOTE + "x",
        GO_NOTE.replace("\u2014", "-"),
        GO_NOTE.replace("nAM=\n", "nAN=\n"),
        GO_NOTE.replace("nAM=\n", "nAM\n"),
        GO_NOTE.replace("PeterNeumann x", "Peter Neumann x"),
        GO_NOTE.replace("PeterNeumann x", "Peter+Neumann x"),
        GO_NOTE.replace("answer", "ans\twer"),
        GO_NOTE + GO_NOTE.rpartition("\n\n")[2] * 64,
        "no signatures\n",
        "text\n\n\u2014 name AAAAAA==\n",
        "",
    ],
)
def test_a_note_in_any_other_form_is_refused(broken: str) -> None:
    with pytest.raises(BadProof):
        parse_note(broken)


@pytest.mark.parametrize(
    "broken",
    [
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("+ARpc", "+AhpC"),
        GO_VKEY.replace("PeterNeumann", ""),
        GO_VKEY.replace("PeterNeumann", "Peter Neumann"),
        "a+b",
        "a+00000000+",
        7,
    ],
)
def test_a_broken_vkey_is_refused(broken: object) -> None:
    with pytest.raises(BadProof):
        parse_vkey(broken)


def test_a_signer_is_made_once_private_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log.key"
    made = Signer.load_or_create(path, "log.example/one")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.load_or_create(path, "log.example/one").vkey == made.vkey
    assert made.vkey in repr(made)
    assert path.read_text().strip().rpartition("+")[2] not in repr(made)
    with pytest.raises(EvidenceError):
        Signer.load_or_create(path, "log.example/two")
    path.write_bytes(b"PRIVATE+KEY+nothing")
    with pytest.raises(EvidenceError):
        Signer.load_or_create(path, "log.example/one")


def test_every_key_survives_its_file_whatever_its_base64_holds(tmp_path: Path) -> None:
    for number in range(64):
        path = tmp_path / str(number)
        assert Signer.load_or_create(path, "n").vkey == Signer.load_or_create(path, "n").vkey


def test_a_checkpoint_carries_the_logs_time_and_its_witnesses() -> None:
    log, witness, stranger = signer(), signer("witness.example/w", 2), signer("stranger.example/s", 3)
    whole = sign_checkpoint(log, 5, bytes(32), WHEN)
    assert verify_checkpoint(whole, log.key, strict=True).at == WHEN
    note = parse_note(whole)
    seen = Note(note.text, (*note.signatures, witness.cosign(note.text, WHEN))).whole
    known = witness.key.for_cosignatures()
    assert verify_checkpoint(seen, log.key, [known], strict=True).witnesses == ("witness.example/w",)
    assert verify_checkpoint(seen, log.key).witnesses == ()
    with pytest.raises(BadProof):
        verify_checkpoint(seen, log.key, strict=True)
    with pytest.raises(BadProof):
        verify_checkpoint(whole, stranger.key)
    forged = Note(note.text, (*note.signatures, Signer("witness.example/w", bytes(32)).cosign(note.text, WHEN))).signatures[-1]
    lied = type(forged)(known.name, known.key_id, forged.raw)
    with pytest.raises(BadProof):
        verify_checkpoint(Note(note.text, (*note.signatures, lied)).whole, log.key, [known])


def test_a_checkpoint_that_says_anything_else_is_refused() -> None:
    log = signer()
    root = sign_checkpoint(log, 5, bytes(32), WHEN).split("\n")[2]
    texts = [
        f"log.example/two\n5\n{root}\n",
        f"log.example/one\n05\n{root}\n",
        f"log.example/one\n-5\n{root}\n",
        f"log.example/one\n{'9' * 20}\n{root}\n",
        f"log.example/one\n5\n{root}\nmore\n",
        "log.example/one\n5\nAAAA\n",
        "log.example/one\n5\n",
    ]
    for text in texts:
        with pytest.raises(BadProof):
            verify_checkpoint(Note(text, (log.sign_note(text), log.cosign(text, WHEN))).whole, log.key)
    text = f"log.example/one\n5\n{root}\n"
    twice = (log.sign_note(text), log.sign_note(text), log.cosign(text, WHEN))
    for signatures in ((log.sign_note(text),), (log.cosign(text, WHEN),), twice):
        with pytest.raises(BadProof):
            verify_checkpoint(Note(text, signatures).whole, log.key)


def test_a_signed_time_that_is_none_is_refused() -> None:
    log = signer()
    note = parse_note(sign_checkpoint(log, 5, bytes(32), WHEN))
    cosigner = log.key.for_cosignatures()
    for raw in (pack_cosignature(1 << 62, log.sign(cosigned_message(note.text, 1 << 62))), b"short"):
        with pytest.raises(BadProof):
            verify_checkpoint(Note(note.text, (note.signatures[0], NoteSignature(cosigner.name, cosigner.key_id, raw))).whole, log.key)


def test_the_reference_tree_of_certificate_transparency() -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(one)) for one in CT_LEAVES]
    assert merkle.perfect_root(hashes).hex() == CT_ROOT
    assert merkle.root(0, lambda _level, _index: b"") == merkle.EMPTY_ROOT


def test_tile_names_are_the_specifications() -> None:
    assert tile_name(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_name(1, 0, 17) == "tile/1/000.p/17"
    assert tile_name("entries", 273, 112) == "tile/entries/273.p/112"


def test_bundles_hold_whole_entries_of_a_bounded_length() -> None:
    entries = [b"", b"a", b"b" * 65535]
    assert unpack_entries(pack_entries(entries), 3) == entries
    with pytest.raises(EvidenceError):
        pack_entries([b"x" * 65536])
    for raw, width in ((pack_entries(entries), 2), (pack_entries(entries)[:-1], 3), (b"\0", 1)):
        with pytest.raises(BadProof):
            unpack_entries(raw, width)


def test_a_trust_bundle_keeps_the_roles_apart() -> None:
    log, executor, verifier, witness = (signer(name, seed) for seed, name in enumerate(("l", "e", "v", "w"), 1))
    cosigner = witness.key.for_cosignatures().text
    trust = Trust.of(log.vkey, executor.vkey, verifier.vkey, (cosigner,))
    assert Trust.from_json(trust.to_json()) == trust
    wrong: list[tuple[str, str, str, tuple[str, ...]]] = [
        (log.vkey, executor.vkey, executor.vkey, ()),
        (log.vkey, executor.vkey, Signer("other", bytes([2]) * 32).vkey, ()),
        (log.vkey, executor.vkey, cosigner, ()),
        (log.vkey, executor.vkey, verifier.vkey, (witness.vkey,)),
    ]
    for keys in wrong:
        with pytest.raises(BadProof):
            Trust.of(*keys)
    for raw in (b"{}", trust.to_json() + b"\n", trust.to_json().replace(b"trust/1", b"trust/2"), b'{"type":"trust/1"}'):
        with pytest.raises(BadProof):
            Trust.from_json(raw)
