"""Appending to the log: entries and tiles first, durable, then the signed head that publishes them.

A crash before the head is renamed leaves the old log whole, with files beyond its end that the next append overwrites. Appenders in any
number of processes on one machine take turns by a lock file. Readers need no lock.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Self

from expunge.errors import BadProof, ClockWentBack
from expunge.evidence.checkpoints import Checkpoint, sign_checkpoint, verify_checkpoint
from expunge.evidence.files import locked, translated, write_durably
from expunge.evidence.merkle import EMPTY_ROOT, leaf_hash
from expunge.evidence.notes import Note, VerifyKey, parse_note
from expunge.evidence.reading import LogReader
from expunge.evidence.signing import Signer
from expunge.evidence.tiles import ENTRIES, HEIGHT, WIDTH, Tiles, grown_bundles, grown_tiles, tile_name
from expunge.ports import Clock

_TOLERANCE = timedelta(seconds=2)
"""Signed times are whole seconds, and machines under NTP step by less than one (ntpd steps above 0.128 s, chrony's usual limit is 1 s):
two seconds back is two honest machines, more is a wrong clock."""
_LEVELS = 8
"""Tiles of level 7 would hold 2**64 entries: no log gets there."""


class Log(LogReader):
    """The log of one folder, with the key that signs it. Implements ``ports.Appender``."""

    def __init__(self, directory: Path, signer: Signer, clock: Clock) -> None:
        """Use ``open``."""
        super().__init__(directory, signer.key)
        self._signer = signer
        self._clock = clock

    @classmethod
    def open(cls, directory: Path, signer: Signer, clock: Clock) -> Self:
        """The log in a folder; a folder without any part of a log becomes an empty one.

        Raises:
            BadProof: the head is missing although there are tiles, is another key's, or does not fit the tiles.
            EvidenceError: the folder can't be read or written.
        """
        log = cls(directory, signer, clock)
        with log._locked():
            if not (directory / "checkpoint").exists() and not (directory / "tile").exists():
                log._publish(0, EMPTY_ROOT, _whole_seconds(clock.now()))
            log._head()
        return log

    def append(self, entries: Sequence[bytes]) -> range:
        """Append durably and publish one checkpoint; the indexes of the entries. Nothing given, nothing signed.

        Raises:
            ClockWentBack: the clock is more than two seconds behind the last signed time.
            BadProof: the log on disk is not the one that was signed.
            Full: no space left; the log is as it was.
            EvidenceError: an entry is longer than 65,535 bytes, or the folder can't be written.
        """
        with self._locked():
            head, tiles = self._head()
            if not entries:
                return range(head.size, head.size)
            at = self._moment(head)
            leaves = [leaf_hash(one) for one in entries]
            grown = chain(grown_bundles(tiles, entries), grown_tiles(tiles, leaves))
            write_durably({self.directory / name: content for name, content in grown})
            size = head.size + len(entries)
            self._publish(size, Tiles(self.directory, size).root(), at)
            self._drop_partials(head.size, size)
            return range(head.size, size)

    def add_cosignatures(self, lines: str, witnesses: Sequence[VerifyKey]) -> Checkpoint:
        """Add witnesses' cosignature lines to the published head, after verifying each; the head as it now is.

        Raises:
            BadProof: a line is not a cosignature of this head by one of ``witnesses``.
        """
        with self._locked():
            head, _ = self._head()
            note = parse_note(head.note)
            added = parse_note(f"{note.text}\n{lines}").signatures
            if not all(any(one.by(key) for key in witnesses) for one in added):
                raise BadProof("a line is by a key that is not one of the witnesses", where="evidence log")
            whole = Note(note.text, (*note.signatures, *(one for one in added if one not in note.signatures))).whole
            checked = verify_checkpoint(whole, self.key, witnesses)
            write_durably({self.directory / "checkpoint": whole.encode()})
            return checked

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self.directory / ".lock")

    def _head(self) -> tuple[Checkpoint, Tiles]:
        """The signed head and the tiles below it, which must agree before anything is signed on top of them."""
        head = self.checkpoint()
        tiles = Tiles(self.directory, head.size)
        if tiles.root() != head.root:
            raise BadProof("the tiles do not give the signed root", where="evidence log")
        return head, tiles

    def _moment(self, head: Checkpoint) -> datetime:
        now = _whole_seconds(self._clock.now())
        if now < head.at - _TOLERANCE:
            raise ClockWentBack(f"the clock says {now.isoformat()}, and {head.at.isoformat()} is already signed", where="evidence log")
        return max(now, head.at)

    def _publish(self, size: int, root: bytes, at: datetime) -> None:
        write_durably({self.directory / "checkpoint": sign_checkpoint(self._signer, size, root, at).encode()})

    def _drop_partials(self, old: int, new: int) -> None:
        """Remove the partial files of what has become full; left behind by a crash they are harmless, and the audit compares them."""
        for level in (ENTRIES, *range(_LEVELS)):
            span = HEIGHT * (level if isinstance(level, int) else 0)
            number = (old >> span) // WIDTH
            if (new >> span) // WIDTH > number:
                folder = self.directory / f"{tile_name(level, number)}.p"
                with translated():
                    shutil.rmtree(folder, ignore_errors=True)


def _whole_seconds(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
