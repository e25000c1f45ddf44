"""Where a Delta table lies, as files: a local folder, or an address that ``deltalake`` reaches.

Local files are read and written through the operating system, so that what is announced can be made durable first. Others go through
``deltalake``'s own object store, one thread at a time: a thread of Arrow's that calls back into Python may do so after the interpreter
has begun to end, and aborts the process (seen in half of all runs with pyarrow 26 and deltalake 1.6).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, DeltaProtocolError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.stores import arrow_faults
from expunge.stores.arrow_int96 import opened
from expunge.stores.disk import reach, settle

LOG = "_delta_log"
FAR_PIECE = 8 << 20  # bytes of a column asked for at once over a network: a tenth of a second at 80 MB/s, some times a request's delay


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the table, and when it was last written (UTC)."""

    name: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """A table's folder. ``root`` is the store's own folder, ``None`` where the table isn't local."""

    address: str
    root: Path | None
    options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def folder(self) -> Path | None:
        """The local folder."""
        return None if self.root is None else Path(self.address)

    def table(self, where: str) -> DeltaTable:
        """The table as it is now.

        Raises:
            Drift: there is no table here.
            Unavailable, Refused: it can't be reached.
        """
        if self.root is not None:
            reach(self.root, where)
            if not Path(self.address, LOG).is_dir():
                raise Drift("there is no Delta table in the folder", where=where)
        return DeltaTable(self.address, storage_options=dict(self.options) or None)

    def open(self, name: str) -> pq.ParquetFile:
        """One Parquet file of the table."""
        return opened(self._source(name)) if self.root is not None else opened(self._source(name), FAR_PIECE)

    def _source(self, name: str) -> Callable[[], object]:
        if self.root is not None:
            return lambda: str(Path(self.address, name))
        return lambda: self._files().open_input_file(name)

    def text(self, name: str) -> str:
        """One small file of the table."""
        with self._files().open_input_file(name) as file:
            return bytes(file.read()).decode("utf-8")

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """A new file, durable when the block has ended."""
        if self.root is None:
            with self._files().open_output_stream(name) as sink:
                yield cast("BinaryIO", sink)
            return
        path = Path(self.address, name)
        with path.open("xb") as sink:
            yield sink
        self._sync(path)

    def settle(self, version: int) -> None:
        """Make a commit durable; ``deltalake`` writes it, and leaves the rest to the operating system."""
        if self.root is not None:
            self._sync(Path(self.address, LOG, f"{version:020}.json"))

    def _sync(self, path: Path) -> None:
        with path.open("rb") as file:
            os.fsync(file.fileno())
        settle(path.parent)

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        return int(self._files().get_file_info(name).size)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        if self.root is not None:
            Path(self.address, name).unlink(missing_ok=True)
        elif self._files().get_file_info(name).type == pafs.FileType.File:
            self._files().delete_file(name)

    def files(self) -> list[Listed]:
        """Every file under the table's folder, in order."""
        found = self._files().get_file_info(pafs.FileSelector("", recursive=True))
        return sorted(
            (Listed(one.path, datetime.fromtimestamp(one.mtime_ns / 1e9, UTC)) for one in found if one.type == pafs.FileType.File),
            key=lambda one: one.name,
        )

    def _files(self) -> pafs.FileSystem:
        if self.root is not None:
            return pafs.SubTreeFileSystem(self.address, pafs.LocalFileSystem())
        return pafs.PyFileSystem(DeltaStorageHandler(self.address, dict(self.options) or None))

    @contextmanager
    def faults(self, where: str) -> Iterator[None]:
        """Translate ``deltalake``'s faults, Arrow's and the system's; their texts may quote values.

        Raises:
            Conflict: another writer committed first.
            Drift, Refused, Unavailable, Full: as the fault says.
        """
        try:
            with arrow_faults.faults(where, remote=self.root is None):
                yield
        except CommitFailedError:
            raise Conflict("another writer changed the table meanwhile", where=where) from None
        except TableNotFoundError:
            raise Drift("there is no Delta table", where=where) from None
        except DeltaProtocolError:
            raise Refused("the table uses a feature of Delta that can't be read or written here", where=where) from None
        except DeltaError:
            kind = Drift if self.root is not None else Unavailable
            raise kind("the table's log can't be read or written", where=where) from None


def place(address: str, path: str, options: Mapping[str, str]) -> Place:
    """The place of a table: ``path`` under the store's ``address`` (a folder, ``file://`` or another scheme)."""
    parts = urlsplit(address)
    if len(parts.scheme) > 1 and parts.scheme != "file":  # a single letter is a Windows drive
        return Place("/".join(one for one in (address.rstrip("/"), path.strip("/")) if one), None, options)
    root = Path(unquote(parts.path) if parts.scheme == "file" else address)
    return Place(str(root / path), root, options)
