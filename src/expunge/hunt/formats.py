"""The table of formats that the hunt opens, in the order in which they are asked; the first that knows a stream reads it.

A line names a format, the module under ``readers`` that reads it, and how it is recognised. Modules are loaded when a stream of theirs is
first met, so that a missing optional library costs only what it would have read: that place is told as *needs an optional library*, and
its bytes are looked at all the same. A module has ``FORMATS``, the ``Format`` values of the names that it reads.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from expunge.errors import MissingExtra
from expunge.hunt.readers.arrays_signs import is_pickle, is_records, is_safetensors
from expunge.hunt.readers.columnar_claims import is_stream
from expunge.hunt.readers.csv_json_signs import is_json, is_table
from expunge.hunt.readers.inserts_names import is_inserts
from expunge.hunt.readers.pg_names import is_dump
from expunge.hunt.reading import Format

Knows: TypeAlias = Callable[[bytes, str], bool]
"""Whether a stream is of a format, from up to 64 KiB of its beginning and its name in lower case. Cheap, and never raises."""


@dataclass(frozen=True, slots=True)
class Known:
    """A line of the table: the format called ``name`` in ``readers.<module>.FORMATS``.

    ``knows`` recognises it without loading the module; without one the module's own ``Format.knows`` is asked, and the module must then
    import nothing optional. ``extra`` is the extra of the package that brings the module's optional library.
    """

    name: str
    module: str
    knows: Knows | None = None
    extra: str = "hunt"

    def recognises(self, head: bytes, name: str) -> bool:
        """Whether a stream with this beginning and name (lower case) is of this format."""
        try:
            return (self.knows or self.load().knows)(head, name)
        except MissingExtra:  # a line without a cheap look belongs to a module that needs nothing optional: it is broken, not this stream
            return False

    def load(self) -> Format:
        """The format itself.

        Raises:
            MissingExtra: the optional library of its reader is not installed.
        """
        return _format(self.name, self.module, self.extra)


@functools.cache
def _format(name: str, module: str, extra: str) -> Format:
    try:
        formats: tuple[Format, ...] = importlib.import_module(f"expunge.hunt.readers.{module}").FORMATS
    except ImportError:
        raise MissingExtra(f"{name} needs expunge[{extra}]") from None
    return {one.name: one for one in formats}[name]


@dataclass(frozen=True, slots=True)
class Magic:
    """Recognises a stream by the bytes that it has at ``at``."""

    starts: tuple[bytes, ...]
    at: int = 0

    def __call__(self, head: bytes, _name: str) -> bool:
        """Whether it has one of them."""
        return head.startswith(self.starts, self.at)


def magic(*starts: bytes, at: int = 0) -> Knows:
    """A stream that has one of ``starts`` at byte ``at``."""
    return Magic(starts, at)


@functools.cache
def possible(formats: tuple[Known, ...], first: int) -> tuple[Known, ...]:
    """The lines that a stream with this first byte may be of: most are told apart by it, and archives hold millions of streams."""

    def may(known: Known) -> bool:
        look = known.knows
        return not isinstance(look, Magic) or look.at > 0 or any(start[0] == first for start in look.starts)

    return tuple(one for one in formats if may(one))


def named(*ends: str) -> Knows:
    """A stream whose name ends so."""
    return lambda _head, name: name.endswith(ends)


def _zip_with(*members: bytes) -> Knows:
    """A zip whose beginning names one of these members (its first local headers, or a short file's directory)."""
    return lambda head, _name: head.startswith(b"PK\x03\x04") and any(one in head for one in members)


def _zstd(head: bytes, _name: str) -> bool:
    """A frame, or one that is to be skipped (RFC 8878, 3.1.1 and 3.1.2)."""
    return head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50)  # noqa: PLR2004


FORMATS: tuple[Known, ...] = (
    # Whole files with a magic of their own: models, arrays, columns, databases, documents.
    Known("parquet", "columnar", magic(b"PAR1", b"PARE")),
    Known("arrow", "columnar", magic(b"ARROW1\0\0")),
    Known("arrow-stream", "columnar", lambda head, _name: is_stream(head)),
    Known("feather", "columnar", magic(b"FEA1")),
    Known("orc", "columnar", magic(b"ORC")),
    Known("avro", "avro", magic(b"Obj\x01")),
    Known("sqlite", "sqlite_file", magic(b"SQLite format 3\0")),
    Known("sqlite-wal", "sqlite_file", magic(b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")),
    Known("sqlite-journal", "sqlite_file", magic(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")),
    Known("pg-custom", "pg_custom", magic(b"PGDMP")),
    Known("npy", "arrays", magic(b"\x93NUMPY")),
    Known("hdf5", "arrays", magic(b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05", b"MATLAB 5.0 MAT-file")),
    Known("safetensors", "arrays_models", is_safetensors),
    Known("tfrecord", "arrays_models", is_records),
    Known("pdf", "pdf", lambda head, _name: b"%PDF-" in head[:1024]),
    Known("ole", "office", magic(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
    Known("rtf", "office", magic(b"{\\rtf")),
    # Zips that are something else first.
    Known("torch", "pickles", _zip_with(b"/data.pkl")),
    Known("npz", "arrays", named(".npz")),
    Known("ooxml", "office", _zip_with(b"[Content_Types].xml")),
    Known("odf", "office", _zip_with(b"mimetypeapplication/vnd.oasis", b"mimetypeapplication/epub")),
    # Compression and archives.
    Known("gzip", "compressed", magic(b"\x1f\x8b\x08")),
    Known("bzip2", "compressed"),
    Known("xz", "compressed", magic(b"\xfd7zXZ\0")),
    Known("zstd", "zstd", _zstd),
    Known("lzma", "compressed"),
    Known("zlib", "compressed"),
    Known("lz4", "lz4", magic(b"\x04\x22\x4d\x18")),
    Known("closed", "raw"),
    Known("zip", "zips"),
    Known("tar", "tars"),
    Known("ar", "archives", magic(b"!<arch>\n")),
    Known("cpio", "archives", magic(b"070701", b"070702", b"070707")),
    # Text with a structure.
    Known("utf-16", "charsets"),
    Known("pickle", "pickles", is_pickle),
    Known("notebook", "notebooks"),
    Known("sql", "inserts", is_inserts),
    Known("pg-dump", "pg_dump", is_dump),
    Known("mbox", "mail"),
    Known("mail", "mail"),
    Known("uuencode", "mail"),
    Known("western", "charsets"),
    Known("json", "csv_json", is_json),
    Known("csv", "csv_json", is_table),
    Known("html", "markup"),
    Known("xml", "markup"),
)
"""What is opened. A line that stands earlier wins; the names are those that the account counts."""
