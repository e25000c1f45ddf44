"""The roots' folder: one small file per epoch, outside every database, wrapped by the external root.

A root's name carries its epoch's number and a random id, so that a root made by a crashed close, or after a restore of the database,
is never taken for another. Only two events remove roots: the close of an epoch, and the recovery of a close that had already switched.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

from expunge.errors import KeyStoreError, KeyStoreUnavailable
from expunge.keys.external import ExternalRoot
from expunge.keys.files import create_once, locked, overwrite_and_unlink, translated

ROOT_BYTES = 32
_ID_BYTES = 8


class Roots:
    """The roots of one folder, unwrapped on first use and kept in memory until another epoch is seen."""

    def __init__(self, folder: Path, external: ExternalRoot) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self._external = external
        self._known: dict[str, bytearray] = {}

    def __repr__(self) -> str:
        """Never a key."""
        return f"Roots({len(self._known)} known)"

    def locked(self) -> AbstractContextManager[None]:
        """The lock that every change to the folder is made under."""
        return locked(self._folder / ".lock")

    def make(self, epoch: int) -> str:
        """Make a new root, durable before this returns; its id.

        Raises:
            KeyStoreUnavailable: the folder or the external root can't be reached.
        """
        name = os.urandom(_ID_BYTES).hex()
        wrapped = self._external.wrap(os.urandom(ROOT_BYTES), _bound(epoch, name))
        body = json.dumps({"epoch": epoch, "id": name, "version": 1, "wrapped": wrapped.hex()}) + "\n"
        create_once(self._path(epoch, name), body.encode())
        return name

    def get(self, epoch: int, name: str) -> bytearray:
        """The root's 32 bytes; don't keep them.

        Raises:
            KeyStoreUnavailable: its file is not there: destroyed, not mounted, or the database is older than the last close.
            KeyStoreError: it can't be unwrapped.
        """
        if name not in self._known:
            root = self._read(epoch, name)
            self.forget()
            self._known[name] = root
        return self._known[name]

    def any(self) -> bool:
        """Whether the folder holds roots."""
        return bool(self._files())

    def destroy(self, *, keep: str, before: int | None = None) -> None:
        """Overwrite and remove every root but one; with ``before``, only those of epochs with a lower number.

        Raises:
            KeyStoreUnavailable: a file can't be written.
        """
        for path in self._files():
            _, epoch, name = path.stem.split("-")
            if name != keep and (before is None or int(epoch) < before):
                overwrite_and_unlink(path)

    def forget(self) -> None:
        """Zero the roots in memory."""
        for root in self._known.values():
            root[:] = bytes(len(root))
        self._known.clear()

    def _files(self) -> list[Path]:
        with translated():
            return sorted(self._folder.glob("root-*.json"))

    def _path(self, epoch: int, name: str) -> Path:
        return self._folder / f"root-{epoch:08d}-{name}.json"

    def _read(self, epoch: int, name: str) -> bytearray:
        with translated():
            path = self._path(epoch, name)
            raw = path.read_bytes() if path.is_file() else None
        if raw is None:
            hint = "a key database restored from before the last close of an epoch opens nothing any more"
            raise KeyStoreUnavailable(f"the root of epoch {epoch} is not in its folder; {hint}", where="key roots")
        try:
            wrapped = bytes.fromhex(json.loads(raw)["wrapped"])
        except (ValueError, KeyError, TypeError):
            raise KeyStoreError(f"the root file of epoch {epoch} is damaged", where="key roots") from None
        return bytearray(self._external.unwrap(wrapped, _bound(epoch, name)))


def _bound(epoch: int, name: str) -> bytes:
    return f"expunge root/1 {epoch} {name}".encode()
