"""The tombstone register: keyed digests of what was erased, so that a restored backup or a late upload is recognised and refused.

It lies beside the evidence log, outside every database that can be restored, with its key in a file of its own. It holds no
identifier: each is an HMAC-SHA256 of type and value under the register's key. What is known about an erasure (categories, captured
before when, which request) stands beside the digests in plain words. A single item is laid as an identifier of its own (type ``item``,
value ``store.collection/key``).

The file only grows, by batches; a batch begins with its length and a seal, under the key, over it and all before it. What a crash leaves
of a batch is no batch: its end is missing or zeros, it was never announced, and the next writer cuts it off. Anything else that does
not fit its seal was changed, and is an error. (Whoever may write the file can still cut off its end: keep copies, as of the log.)
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO, Self

from expunge.errors import BadProof, EvidenceError
from expunge.evidence.commitments import framed
from expunge.evidence.files import SECRET, append_durably, create_once, locked, sync_folder, translated
from expunge.evidence.prefixes import PrefixIndex
from expunge.evidence.stones import (
    DIGEST_BYTES,
    LAID,
    Facts,
    Stone,
    digests_of,
    facts_of,
    head_of,
    laid_lines,
    lifted_line,
    lifted_request,
    read_batch,
)
from expunge.terms import Identifier

_LABEL = b"expunge tombstone/1"
_WHERE = "tombstone register"
_BATCH = 65_536
"""Stones written and sealed at once: about 15 MB, so that neither laying nor loading holds more."""


class Register:
    """The register of one folder. Several processes may lay and match: each sees at its next call what the others laid.

    One instance is used by one thread.
    """

    def __init__(self, directory: Path, key: bytes) -> None:
        """Use ``open``."""
        self._path = directory / "tombstones"
        self._lock = directory / ".tombstones.lock"
        self._key = key
        self._index = PrefixIndex()
        self._lifted: dict[str, int] = {}
        self._end = 0
        self._seal = b""

    def __repr__(self) -> str:
        """Never the key."""
        return f"Register({self._path.parent.name!r})"

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The register in a folder, with its key file; both are made if there is neither.

        Raises:
            EvidenceError: the register is there without its key, or a file can't be read.
            BadProof: the register was changed.
        """
        held, secret = directory / "tombstones", directory / "tombstones.key"
        with locked(directory / ".tombstones.lock"):
            if held.exists() and not secret.exists():
                raise EvidenceError("tombstones.key is missing: without it no tombstone can be recognised", where=_WHERE)
            key = create_once(secret, os.urandom(DIGEST_BYTES))
            if len(key) != DIGEST_BYTES:
                raise EvidenceError("tombstones.key is not a key", where=_WHERE)
            with translated():
                os.close(os.open(held, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, SECRET))
                sync_folder(directory)
        register = cls(directory, key)
        register._refresh()
        return register

    def lay(self, stones: Iterable[Stone]) -> None:
        """Lay these stones; durable when it returns. Laying one again changes nothing that ``match`` says.

        Raises:
            Full: no space left; batches of 65,536 before this one are laid.
            EvidenceError: the file can't be written.
            BadProof: the register was changed.
        """
        rest = iter(stones)
        while batch := list(islice(rest, _BATCH)):
            self._append(self._lines(batch))

    def lift(self, request_id: str, at: datetime) -> None:
        """Undo every stone that this request has laid so far; ``at`` is aware.

        Raises:
            Full, EvidenceError, BadProof: as ``lay``.
        """
        self._append([lifted_line(request_id, at)])

    def match(self, identifiers: Iterable[Identifier]) -> dict[Identifier, list[Facts]]:
        """Which of these are refused, and on which facts, oldest first. Those that are not refused are absent.

        Raises:
            BadProof: the register was changed.
            EvidenceError: it can't be read.
        """
        self._refresh()
        found: dict[Identifier, list[Facts]] = {}
        with translated(), self._path.open("rb") as file:
            for one in identifiers:
                facts = self._facts(file, self._digest(one))
                if facts:
                    found[one] = facts
        return found

    def standing(self) -> Iterator[tuple[list[bytes], Facts]]:
        """Every stone that was not lifted, oldest first: the digests that share facts, and these. Reads the file from its beginning.

        Raises:
            BadProof: the register was changed.
            EvidenceError: it can't be read.
        """
        self._refresh()
        with translated(), self._path.open("rb") as file:
            while file.tell() < self._end and (batch := read_batch(file)):
                place = file.tell() - len(batch[1])
                for line in batch[1].splitlines(keepends=True):
                    if line.startswith(LAID) and place > self._lifted.get((known := facts_of(line)).request_id, -1):
                        yield digests_of(line), known
                    place += len(line)

    def digest(self, identifier: Identifier) -> bytes:
        """The digest by which the register knows an identifier, for who has to keep it until a stone is laid."""
        return self._digest(identifier)

    @property
    def size(self) -> int:
        """Bytes of the register that were read so far: what was laid since makes it larger."""
        return self._end

    def _digest(self, identifier: Identifier) -> bytes:
        return hmac.digest(self._key, framed(_LABEL, identifier.type.encode(), identifier.value.encode()), "sha256")

    def _facts(self, file: BinaryIO, digest: bytes) -> list[Facts]:
        facts: dict[Facts, None] = {}
        for place in self._index.find(digest):
            file.seek(place)
            line = file.readline()
            if digest not in digests_of(line):
                continue
            known = facts_of(line)
            if place > self._lifted.get(known.request_id, -1):
                facts[known] = None
        return list(facts)

    def _lines(self, stones: Iterable[Stone]) -> list[bytes]:
        return [
            line
            for facts, group in groupby(stones, key=lambda one: one.facts)
            for line in laid_lines([self._digest(one.identifier) for one in group], facts)
        ]

    def _append(self, lines: list[bytes]) -> None:
        body = b"".join(line + b"\n" for line in lines)
        with locked(self._lock):
            self._refresh()
            append_durably(self._path, self._end, head_of(body, self._sealed(body)) + body)

    def _sealed(self, body: bytes) -> bytes:
        """The seal of a batch: over it and, by the seal before, over all that precede it."""
        return hmac.digest(self._key, framed(self._seal, body), "sha256")

    def _refresh(self) -> None:
        """Take in the batches that were laid since the last look."""
        with translated(), self._path.open("rb") as file:
            file.seek(self._end)
            while batch := read_batch(file):
                seal, body = batch
                if not hmac.compare_digest(seal, self._sealed(body)):
                    raise BadProof("the register was changed", where=_WHERE)
                self._take(file.tell() - len(body), body)
                self._seal = seal
                self._end = file.tell()

    def _take(self, place: int, body: bytes) -> None:
        found: list[tuple[bytes, int]] = []
        for line in body.splitlines(keepends=True):
            if line.startswith(LAID):
                found.extend((digest, place) for digest in digests_of(line))
            else:
                self._lifted[lifted_request(line)] = place
            place += len(line)
        self._index.add(found)
