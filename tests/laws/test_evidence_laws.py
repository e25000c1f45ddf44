"""Laws of the evidence log: the tree is the reference's, batching does not matter, and no change goes unnoticed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from expunge.errors import BadProof, EvidenceError
from expunge.evidence import merkle
from expunge.evidence.log import Log
from expunge.evidence.signing import Signer
from expunge.testing.clock import FakeClock

SIGNER = Signer("log.example/one", bytes(range(32)))
BOUND = 70
LAW = settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def _at(leaves: list[bytes]) -> merkle.HashAt:
    return lambda level, index: merkle.perfect_root(leaves[index << level : (index + 1) << level])


@cache
def _reference(size: int) -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for number in range(size):
        tree.append_entry(b"%d" % number)
    return tree


LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(BOUND)]
AT = _at(LEAVES)


@pytest.mark.parametrize("size", range(1, BOUND, 2))
def test_roots_and_inclusion_proofs_are_the_references(size: int) -> None:
    tree = _reference(BOUND)
    root = merkle.root(size, AT)
    assert root == tree.get_root(size)
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, AT)
        path = [bytes.fromhex(one) for one in tree.prove_inclusion(index + 1, size).serialize()["path"]]
        assert [LEAVES[index], *proof] == path
        merkle.verify_inclusion(LEAVES[index], index, size, proof, root)


def _head(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962, section 2.1, writes it."""
    if len(leaves) == 1:
        return leaves[0]
    k = max(1 << power for power in range(8) if 1 << power < len(leaves))
    return merkle.node_hash(_head(leaves[:k]), _head(leaves[k:]))


def _subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:  # noqa: FBT001  # the RFC's own signature
    """SUBPROOF as RFC 6962, section 2.1.2, writes it; pymerkle's proofs are of another form."""
    n = len(leaves)
    if m == n:
        return [] if whole else [_head(leaves)]
    k = max(1 << power for power in range(8) if 1 << power < n)
    if m <= k:
        return [*_subproof(m, leaves[:k], whole), _head(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], whole=False), _head(leaves[:k])]


@pytest.mark.parametrize("new", range(1, BOUND, 3))
def test_consistency_proofs_are_the_rfcs(new: int) -> None:
    root = merkle.root(new, AT)
    assert root == _head(LEAVES[:new])
    for old in range(new + 1):
        proof = merkle.consistency_proof(old, new, AT)
        merkle.verify_consistency(old, new, merkle.root(old, AT), root, proof)
        assert list(proof) == (_subproof(old, LEAVES[:new], whole=True) if old else [])


@LAW
@given(size=st.integers(1, BOUND - 1), spoil=st.data())
def test_a_spoilt_proof_never_verifies(size: int, spoil: st.DataObject) -> None:
    index = spoil.draw(st.integers(0, size - 1))
    proof = list(merkle.inclusion_proof(index, size, AT))
    other = spoil.draw(st.integers(-1, BOUND).filter(lambda one: one != index))
    root = merkle.root(size, AT)
    wrong: list[tuple[int, int, list[bytes]]] = [
        (other, size, proof),
        (index, size, [*proof, bytes(32)]),
    ]
    if proof:
        place = spoil.draw(st.integers(0, len(proof) - 1))
        wrong += [(index, size, proof[:-1]), (index, size, [*proof[:place], bytes(32), *proof[place + 1 :]])]
    for at, of, path in wrong:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(LEAVES[index], at, of, path, root)


@LAW
@given(new=st.integers(1, BOUND - 1), spoil=st.data())
def test_a_spoilt_consistency_proof_never_verifies(new: int, spoil: st.DataObject) -> None:
    old = spoil.draw(st.integers(0, new))
    proof = list(merkle.consistency_proof(old, new, AT))
    older, newer = merkle.root(old, AT), merkle.root(new, AT)
    wrong: list[tuple[int, int, bytes, bytes, list[bytes]]] = [
        (old, new, bytes(32), newer, proof),
        (old, new, older, newer, [*proof, bytes(32)]),
        (new + 1, new, older, newer, proof),
    ]
    if proof:
        place = spoil.draw(st.integers(0, len(proof) - 1))
        wrong += [(old, new, older, bytes(32), proof), (old, new, older, newer, proof[:-1]), (old, new, older, newer, [])]
        wrong += [(old, new, older, newer, [*proof[:place], bytes(32), *proof[place + 1 :]])]
    for was, now, first, second, path in wrong:
        with pytest.raises(BadProof):
            merkle.verify_consistency(was, now, first, second, path)


@contextmanager
def _log() -> Iterator[Log]:
    with tempfile.TemporaryDirectory() as folder:
        yield Log.open(Path(folder) / "log", SIGNER, FakeClock())


@settings(LAW, max_examples=12)
@given(
    batches=st.lists(
        st.one_of(
            st.lists(st.binary(max_size=20), max_size=8), st.integers(200, 600).map(lambda count: [b"%d" % one for one in range(count)])
        ),
        max_size=6,
    )
)
def test_batching_does_not_change_the_log(batches: list[list[bytes]]) -> None:
    entries = [entry for batch in batches for entry in batch]
    with _log() as log:
        places = [log.append(batch) for batch in batches]
        assert [index for place in places for index in place] == list(range(len(entries)))
        assert list(log.entries()) == entries
        assert log.check().root == merkle.root(len(entries), _at([merkle.leaf_hash(one) for one in entries]))


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = Log.open(tmp_path_factory.mktemp("pristine") / "log", SIGNER, FakeClock())
    log.append([b"first %d" % number for number in range(3)])
    log.append([b"entry %d" % number for number in range(520)])
    log.append([b"last"])
    return log.directory


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


def _check(folder: Path) -> None:
    Log(folder, SIGNER, FakeClock()).check()


@settings(LAW, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(choice=st.data())
def test_any_flipped_byte_of_any_file_fails_the_audit(pristine: Path, choice: st.DataObject) -> None:
    path = choice.draw(st.sampled_from(_files(pristine)))
    held = path.read_bytes()
    place = choice.draw(st.integers(0, len(held) - 1))
    bits = choice.draw(st.integers(1, 255))
    path.write_bytes(held[:place] + bytes([held[place] ^ bits]) + held[place + 1 :])
    try:
        with pytest.raises(EvidenceError):
            _check(pristine)
    finally:
        path.write_bytes(held)


def test_any_missing_or_shortened_file_fails_the_audit(pristine: Path) -> None:
    _check(pristine)
    older = {"tile/0/002.p/11", "tile/entries/002.p/11"}
    names = {path.relative_to(pristine).as_posix() for path in _files(pristine)}
    assert older <= names
    for name in sorted(names):
        path = pristine / name
        held = path.read_bytes()
        for changed in (None, held[:-1], held[:-32], held + b"\0"):
            path.unlink() if changed is None else path.write_bytes(changed)
            if changed is not None or name not in older:
                with pytest.raises(EvidenceError):
                    _check(pristine)
            path.write_bytes(held)
    _check(pristine)


@settings(LAW, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(choice=st.data())
def test_any_two_exchanged_files_fail_the_audit(pristine: Path, choice: st.DataObject) -> None:
    one, other = choice.draw(st.lists(st.sampled_from(_files(pristine)), min_size=2, max_size=2, unique=True))
    first, second = one.read_bytes(), other.read_bytes()
    if first == second:
        return
    one.write_bytes(second)
    other.write_bytes(first)
    try:
        with pytest.raises(EvidenceError):
            _check(pristine)
    finally:
        one.write_bytes(first)
        other.write_bytes(second)


@settings(LAW, max_examples=25)
@given(count=st.integers(2, 40), choice=st.data())
def test_a_dropped_doubled_or_reordered_entry_gives_another_root(count: int, choice: st.DataObject) -> None:
    entries = [b"%d" % number for number in range(count)]
    place = choice.draw(st.integers(0, count - 2))
    changed = choice.draw(
        st.sampled_from(
            [
                entries[:place] + entries[place + 1 :],
                entries[:place] + entries[place : place + 1] + entries[place:],
                [*entries[:place], entries[place + 1], entries[place], *entries[place + 2 :]],
            ]
        )
    )
    with _log() as log, _log() as other:
        log.append(entries)
        other.append(changed)
        assert log.checkpoint().root != other.checkpoint().root
        shutil.copy(log.directory / "checkpoint", other.directory / "checkpoint")
        with pytest.raises(EvidenceError):
            other.check()
