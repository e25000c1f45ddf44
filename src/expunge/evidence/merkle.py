"""Merkle trees as RFC 6962, section 2.1, defines them, as pure functions named after its words.

A tree is read through ``HashAt``: the hash of the complete subtree of 2**level leaves with this index in its level. Whoever stores
hashes (``tiles``) gives such a function; nothing here touches a disk. Verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from expunge.errors import BadProof

HashAt: TypeAlias = Callable[[int, int], bytes]
"""``at(level, index)``: the hash over the leaves ``index * 2**level`` up to ``(index + 1) * 2**level``."""

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry; the 0x00 keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 2**n subtree hashes of equal height, n >= 0."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def root(size: int, at: HashAt) -> bytes:
    """MTH(D[0:size])."""
    return _range_hash(0, size, at) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, at: HashAt) -> tuple[bytes, ...]:
    """PATH(index, D[0:size]), from the leaf upward.

    Raises:
        BadProof: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise BadProof(f"a tree of {size} entries has no entry {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, at))
            end = middle
        else:
            path.append(_range_hash(start, middle, at))
            start = middle
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check that ``leaf`` (a leaf hash) is entry ``index`` of the tree (RFC 9162, 2.1.3.2).

    Raises:
        BadProof: it is not, or the proof has another length.
    """
    if not 0 <= index < size:
        raise BadProof(f"a tree of {size} entries has no entry {index}")
    node, last, seen = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise BadProof("the inclusion proof is too long")
        if node & 1 or node == last:
            seen = node_hash(step, seen)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            seen = node_hash(seen, step)
        node, last = node >> 1, last >> 1
    if last != 0 or seen != expected_root:
        raise BadProof("the entry is not in the tree under this root")


def consistency_proof(old: int, new: int, at: HashAt) -> tuple[bytes, ...]:
    """PROOF(old, D[0:new]); empty when ``old`` is 0 or equals ``new``.

    Raises:
        BadProof: ``old`` is larger than ``new``, or negative.
    """
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} entries did not grow from one of {old}")
    if old in (0, new):
        return ()
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, at))
            end = middle
        else:
            path.append(_range_hash(start, middle, at))
            start, whole = middle, False
    if not whole:
        path.append(_range_hash(start, end, at))
    return tuple(reversed(path))


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the newer tree only grew from the older (RFC 9162, 2.1.4.2).

    Raises:
        BadProof: it did not, or the proof has another length.
    """
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} entries did not grow from one of {old}")
    if old in (0, new):
        known = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != known:
            raise BadProof("the two heads are not of one log")
        return
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        raise BadProof("the consistency proof is too short")
    _climb(old - 1, new - 1, steps, (old_root, new_root))


def _climb(node: int, last: int, steps: Sequence[bytes], roots: tuple[bytes, bytes]) -> None:
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise BadProof("the consistency proof is too long")
        if node & 1 or node == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        node, last = node >> 1, last >> 1
    if last != 0 or (older, newer) != roots:
        raise BadProof("the newer head does not contain the older one")


def _split(width: int) -> int:
    """The largest power of two smaller than ``width`` (which is > 1)."""
    return 1 << ((width - 1).bit_length() - 1)


def _range_hash(start: int, end: int, at: HashAt) -> bytes:
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return at(level, start >> level)
    middle = start + _split(width)
    return node_hash(_range_hash(start, middle, at), _range_hash(middle, end, at))
