"""Log entries and receipts: made here, and checked offline by a stranger with the receipt and a trust bundle, nothing else.

An entry is canonical JSON ``{"signatures", "statement", "type"}``. A receipt is canonical JSON ``{"checkpoint", "entry", "index",
"proof", "type"}``; that of a statement too long for one entry (``pieces.py``) has the ``statement`` beside its head. Every byte of either
is covered: by a signature, by the Merkle proof, by a digest that these cover, or by there being only one way to write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical, decode_base64, encode_base64, parse_object
from expunge.evidence.checkpoints import Checkpoint, verify_checkpoint
from expunge.evidence.merkle import HASH_BYTES, inclusion_proof, leaf_hash, verify_inclusion
from expunge.evidence.notes import VerifyKey
from expunge.evidence.pieces import PIECE_KIND, cut, pieces_before, put_together, require_bound
from expunge.evidence.reading import LogReader
from expunge.evidence.signing import Signer
from expunge.evidence.tiles import MAX_ENTRY, Tiles
from expunge.evidence.trust import Trust
from expunge.terms import Json

KINDS = frozenset(
    {
        "consent-evidence/1",
        "hold/1",
        "hunt-decision/1",
        "hunt-opening/1",
        "idle/1",
        "notice/1",
        PIECE_KIND,
        "preserved/1",
        "receipt/1",
        "run/1",
        "undo/1",
    }
)
"""The statements that are known: one request's receipt, one run's, what somebody decided about, or saw of, a find of the hunt; steps of
unused profiles; published notices; words on holds; the end of what verified a guardian; preserved copies' ends and openings; undone
requests; a piece."""

_RECEIPT, _RECEIPT_OF_CUT = "inclusion/1", "inclusion/2"
_ENTRY_FIELDS = {"type", "statement", "signatures"}
_RECEIPT_FIELDS = {"type", "entry", "index", "proof", "checkpoint"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry whose two signatures have been verified."""

    kind: str
    statement: Mapping[str, Json]
    executor: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a receipt proves: this statement, signed by both roles, is entry ``index`` of the log that the log's key signed.

    ``logged_at`` (UTC) is the checkpoint's signed time, ``size`` its tree size, ``witnesses`` the names of those who cosigned it.
    ``executor`` and ``verifier`` are the names of the bundle's keys.
    """

    kind: str
    statement: Mapping[str, Json]
    index: int
    size: int
    logged_at: datetime
    log: str
    executor: str
    verifier: str
    witnesses: tuple[str, ...]


def make_entry(kind: str, statement: Mapping[str, Json], executor: Signer, verifier: Signer) -> bytes:
    """A signed entry for the log. The statement holds no personal data; numbers are integers below 2**53.

    Raises:
        BadProof: the kind is unknown, or the statement has no canonical form.
    """
    _check_kind(kind)
    signed = _signed(kind, statement)
    signatures: Json = {
        "executor": encode_base64(executor.sign(_message("executor", signed))),
        "verifier": encode_base64(verifier.sign(_message("verifier", signed))),
    }
    # The one text of all three: names are sorted, and this one comes first. Writing the statement again would take twice as long.
    return b'{"signatures":' + canonical(signatures) + b"," + signed[1:]


def make_entries(kind: str, statement: Mapping[str, Json], executor: Signer, verifier: Signer) -> list[bytes]:
    """As ``make_entry``, of a statement of any length: pieces first if it is too long for one. The last is the statement's place.

    They are to be appended in one call, so that nothing comes between.

    Raises:
        BadProof: as ``make_entry``.
    """
    one = make_entry(kind, statement, executor, verifier)
    if len(one) <= MAX_ENTRY:
        return [one]
    pieces, head = cut(statement)
    return [*(make_entry(PIECE_KIND, piece, executor, verifier) for piece in pieces), make_entry(kind, head, executor, verifier)]


def read_entry(raw: bytes, trust: Trust) -> Entry:
    """Read an entry and verify both signatures by the bundle's keys.

    Raises:
        BadProof: not exactly an entry, of an unknown kind, or a signature does not verify.
    """
    entry = parse_object(raw)
    kind, statement, signatures = entry.get("type"), entry.get("statement"), entry.get("signatures")
    if entry.keys() != _ENTRY_FIELDS or not isinstance(statement, dict) or not isinstance(signatures, dict):
        raise BadProof("not a log entry")
    if signatures.keys() != {"executor", "verifier"}:
        raise BadProof("an entry is signed by executor and verifier, and by nobody else")
    known = _check_kind(kind)
    roles: dict[str, VerifyKey] = {"executor": trust.executor, "verifier": trust.verifier}
    signed = _signed(known, statement)
    for role, key in roles.items():
        key.check(_message(role, signed), decode_base64(signatures[role]))
    return Entry(known, statement, trust.executor.name, trust.verifier.name)


def assemble(entry: bytes, index: int, log: LogReader) -> bytes:
    """The receipt of the entry at ``index`` under the log's newest checkpoint.

    Raises:
        BadProof: the log holds something else there, or is not what it signed.
    """
    (receipt,) = assemble_each([(index, entry)], log)
    return receipt


def assemble_each(entries: Iterable[tuple[int, bytes]], log: LogReader) -> Iterator[bytes]:
    """The receipts of many entries, all under one checkpoint: the log's newest when the first is asked for. Order as given.

    Raises:
        BadProof: as ``assemble``.
    """
    head = log.checkpoint()
    tiles = Tiles(log.directory, head.size)
    for index, entry in entries:
        proof = inclusion_proof(index, head.size, tiles.at)
        verify_inclusion(leaf_hash(entry), index, head.size, proof, head.root)
        parsed = parse_object(entry)
        statement = _cut_statement(parsed, index, log)
        receipt: dict[str, Json] = {
            "type": _RECEIPT if statement is None else _RECEIPT_OF_CUT,
            "entry": parsed,
            "index": index,
            "proof": [encode_base64(one) for one in proof],
            "checkpoint": head.note,
        }
        yield canonical(receipt if statement is None else {**receipt, "statement": dict(statement)})


def _cut_statement(entry: Mapping[str, Json], index: int, log: LogReader) -> Mapping[str, Json] | None:
    """The statement that stands in pieces before this entry; ``None`` if the entry holds it itself."""
    head = entry.get("statement")
    count = pieces_before(head) if isinstance(head, Mapping) else None
    if count is None or not isinstance(head, Mapping):
        return None
    pieces = [parse_object(raw).get("statement") for raw in islice(log.entries(index - count), count)]
    return put_together(head, [piece for piece in pieces if isinstance(piece, Mapping)])


def verify_receipt(receipt: bytes, trust: bytes) -> Verified:
    """Check a receipt against a trust bundle, offline: both signatures, the leaf, the path, the signed head.

    Raises:
        BadProof: anything at all is not as it was issued; one byte is enough.
    """
    bundle = Trust.from_json(trust)
    parts = parse_object(receipt)
    fields = _RECEIPT_FIELDS | ({"statement"} if parts.get("type") == _RECEIPT_OF_CUT else set[str]())
    if parts.keys() != fields or parts["type"] not in (_RECEIPT, _RECEIPT_OF_CUT):
        raise BadProof("not a receipt of this version")
    raw = canonical(parts["entry"])
    entry = read_entry(raw, bundle)
    statement = _stated(entry, parts)
    head = _verify_head(parts["checkpoint"], bundle)
    index = parts["index"]
    if not isinstance(index, int) or isinstance(index, bool):
        raise BadProof("a receipt's index is a whole number")
    verify_inclusion(leaf_hash(raw), index, head.size, _read_proof(parts["proof"]), head.root)
    return Verified(entry.kind, statement, index, head.size, head.at, head.origin, entry.executor, entry.verifier, head.witnesses)


def _stated(entry: Entry, receipt: Mapping[str, Json]) -> Mapping[str, Json]:
    """What the receipt says: in its entry, or, of a statement that was cut, beside it."""
    if entry.kind == PIECE_KIND:
        raise BadProof("a piece of a statement is no receipt")
    if (pieces_before(entry.statement) is None) != (receipt["type"] == _RECEIPT):
        raise BadProof("the statement is not the one that its entry binds")
    return require_bound(entry.statement, receipt["statement"]) if "statement" in receipt else entry.statement


def _verify_head(checkpoint: Json, bundle: Trust) -> Checkpoint:
    if not isinstance(checkpoint, str):
        raise BadProof("a receipt's checkpoint is a text")
    return verify_checkpoint(checkpoint, bundle.log, bundle.witnesses, strict=True)


def _read_proof(proof: Json) -> list[bytes]:
    if not isinstance(proof, list):
        raise BadProof("a receipt's proof is a list of hashes")
    hashes = [decode_base64(one) for one in proof]
    if any(len(one) != HASH_BYTES for one in hashes):
        raise BadProof("a receipt's proof is a list of hashes")
    return hashes


def _check_kind(kind: Json) -> str:
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadProof(f"the kind of statement is not one of {', '.join(sorted(KINDS))}")
    return kind


def _signed(kind: str, statement: Mapping[str, Json]) -> bytes:
    return canonical({"type": kind, "statement": statement})


def _message(role: str, signed: bytes) -> bytes:
    """What a role signs: its own name is inside, so that one role's signature never passes for the other's."""
    return f"expunge entry, signed as {role}\n".encode() + signed
