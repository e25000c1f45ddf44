"""Reading and auditing a log: what anyone can do who has its folder and its public key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from expunge.errors import BadProof, ForkedLog
from expunge.evidence.audit import Audit
from expunge.evidence.checkpoints import Checkpoint, verify_checkpoint
from expunge.evidence.files import translated
from expunge.evidence.merkle import consistency_proof, inclusion_proof, leaf_hash, root
from expunge.evidence.notes import VerifyKey
from expunge.evidence.tiles import WIDTH, Tiles

_WHERE = "evidence log"


@dataclass(frozen=True, slots=True)
class LogCheck:
    """A whole log that is as it was signed. ``unpublished`` names files beyond its head, which a crashed append left; harmless."""

    origin: str
    size: int
    root: bytes
    at: datetime
    files: int
    unpublished: tuple[str, ...]


class LogReader:
    """A log's folder and its public key. Every answer is checked against the signed head; several may read while one appends."""

    def __init__(self, directory: Path, key: VerifyKey) -> None:
        """Nothing is read yet."""
        self.directory = directory
        self.key = key

    def checkpoint(self) -> Checkpoint:
        """The newest signed head.

        Raises:
            BadProof: missing, or not signed by this log's key.
        """
        with translated():
            path = self.directory / "checkpoint"
            raw = path.read_bytes() if path.is_file() else None
        if raw is None:
            raise BadProof("the log has no checkpoint", where=_WHERE)
        try:
            return verify_checkpoint(raw.decode("utf-8"), self.key)
        except UnicodeDecodeError:
            raise BadProof("the checkpoint is not text", where=_WHERE) from None

    def entry(self, index: int) -> bytes:
        """One entry, checked against the signed head.

        Raises:
            BadProof: there is no such entry, or it is not what was signed.
        """
        head = self.checkpoint()
        tiles = Tiles(self.directory, head.size)
        inclusion_proof(index, head.size, tiles.at)
        raw = tiles.bundle(index // WIDTH)[index % WIDTH]
        if leaf_hash(raw) != tiles.at(0, index) or tiles.root() != head.root:
            raise BadProof(f"entry {index} is not the one that was signed", where=_WHERE)
        return raw

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """The entries from ``start`` to the head, in order, each checked against its leaf hash; ``check`` audits the hashes.

        Raises:
            BadProof: one is missing or is not what was hashed.
        """
        tiles = Tiles(self.directory, self.checkpoint().size)
        for number in range(start // WIDTH, -(-tiles.size // WIDTH)):
            for index, raw in enumerate(tiles.bundle(number), number * WIDTH):
                if leaf_hash(raw) != tiles.at(0, index):
                    raise BadProof(f"entry {index} is not the one that was hashed", where=_WHERE)
                if index >= start:
                    yield raw

    def proof(self, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion proof of an entry in the tree of ``size`` entries.

        Raises:
            BadProof: the log is not that large, or has no such entry.
        """
        return inclusion_proof(index, size, self._tiles_of(size).at)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the tree of ``new`` entries grew from that of ``old``.

        Raises:
            BadProof: the log is not that large, or ``old`` is the larger.
        """
        return consistency_proof(old, new, self._tiles_of(new).at)

    def check(self, earlier: str | None = None) -> LogCheck:
        """Audit the whole log: every entry, every tile, the signed root; and that it only grew from an ``earlier`` checkpoint's text.

        Raises:
            BadProof: something is missing, added or changed.
            ForkedLog: it did not grow from the earlier head.
        """
        head = self.checkpoint()
        tiles = Tiles(self.directory, head.size)
        files, unpublished = Audit(tiles).run()
        if tiles.root() != head.root:
            raise BadProof("the tiles do not give the signed root", where=_WHERE)
        if earlier is not None:
            self._check_grown(verify_checkpoint(earlier, self.key), head)
        return LogCheck(head.origin, head.size, head.root, head.at, files, unpublished)

    def _tiles_of(self, size: int) -> Tiles:
        head = self.checkpoint()
        if size > head.size:
            raise BadProof(f"the log has {head.size} entries, not {size}", where=_WHERE)
        return Tiles(self.directory, head.size)

    def _check_grown(self, earlier: Checkpoint, head: Checkpoint) -> None:
        if earlier.size > head.size:
            raise ForkedLog(f"the log had {earlier.size} entries and now has {head.size}", where=_WHERE)
        if root(earlier.size, Tiles(self.directory, head.size).at) != earlier.root:
            raise ForkedLog(f"the first {earlier.size} entries are not those that were signed earlier", where=_WHERE)
