"""Packed dumps of PostgreSQL (``pg_dump -Fc``): tables as rows, large objects as streams, the rest as text.

The ``toc.dat`` of a dump in a folder or tar is the same without data, which lies in files beside it and is read as any other file.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import pyarrow as pa
import zstandard

from expunge.hunt.pieces import Place, Unread, Why
from expunge.hunt.readers.arrays_views import poured
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.readers.pg_archive import CUSTOM, MAGIC, Archive, Damaged, Entry
from expunge.hunt.readers.pg_copy import BLOCK, copied, whole_lines
from expunge.hunt.readers.pg_names import COPY, named
from expunge.hunt.reading import Format, Nested, Opened, Reading

_ROWS, _OBJECTS = 1, 3
_FAULTS = (zlib.error, zstandard.ZstdError, pa.ArrowException, OSError, Damaged)


@bounded
def _custom(opened: Opened) -> Reading:
    try:
        archive = Archive(opened.file)
        if archive.known:
            yield from _archive(opened, archive)
            return
        opened.account.unread.append(Unread(opened.place, Why.UNSUPPORTED, opened.size, "this version of pg_dump's archive"))
    except Damaged:
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, opened.size))
    yield Nested(opened.place.inside("rest"), opened.file, plain=True)


def _archive(opened: Opened, archive: Archive) -> Reading:
    algorithm = archive.header()
    entries = dict[int, Entry]()
    yield from _contents(opened, archive, entries)
    if archive.format == CUSTOM:
        for kind, number in archive.blocks():
            entry = entries.get(number)
            yield from _block(opened, archive, algorithm, kind, _place(opened.place, entry, number), entry)


def _contents(opened: Opened, archive: Archive, entries: dict[int, Entry]) -> Reading:
    """The texts of the table of contents; what was read of one that is cut short is given too."""
    texts = list[bytes]()
    fault = False
    try:
        for entry in archive.contents():
            entries[entry.number] = entry
            texts += entry.texts
    except Damaged:
        fault = True
    content = b"\n".join(texts)
    yield Nested(opened.place.inside("contents"), io.BytesIO(content), len(content), seekable=True, plain=True)
    if fault:
        raise Damaged


def _place(place: Place, entry: Entry | None, number: int) -> Place:
    if entry is None:
        return place.inside(f"entry {number}")
    return place.of(table=".".join(part for part in (entry.schema, entry.tag) if part))


def _block(opened: Opened, archive: Archive, algorithm: str, kind: int, place: Place, entry: Entry | None) -> Reading:
    if kind == _OBJECTS:
        while oid := archive.integer():
            stream = _Expanded(archive, algorithm)
            yield Nested(opened.place.inside(f"large object {oid}"), poured(iter(stream)))
            stream.finish(opened, opened.place.inside(f"large object {oid}"))
        return
    if kind != _ROWS:
        raise Damaged
    stream = _Expanded(archive, algorithm)
    statement = COPY.search(entry.copy) if entry is not None else None
    if statement is None:
        yield Nested(opened.place.inside(f"data {place.table or place.members[-1]}"), poured(iter(stream)), plain=True)
    else:
        yield from copied(opened, place, named(statement)[1], whole_lines(poured(iter(stream))))
    stream.finish(opened, place)


class _Expanded:
    """One stream of data, expanded; ``finish`` leaves the archive behind it, whatever was read."""

    def __init__(self, archive: Archive, algorithm: str) -> None:
        self._chunks = archive.chunks()
        self._algorithm = algorithm
        self._fault = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from _EXPANDERS[self._algorithm](self._chunks)
        except _FAULTS:
            self._fault = True

    def finish(self, opened: Opened, place: Place) -> None:
        """Pass over what was not read; tell a fault.

        Raises:
            Damaged: the archive ends here.
        """
        if self._fault:
            opened.account.unread.append(Unread(place, Why.BROKEN))
        for _ in self._chunks:
            pass


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj()
    for chunk in chunks:
        content = stream.decompress(chunk, BLOCK)
        while content:
            yield content
            content = stream.decompress(stream.unconsumed_tail, BLOCK)
    if not stream.eof:
        raise Damaged


def _unpacked_zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(poured(chunks), read_across_frames=True) as stream:
        while content := stream.read(BLOCK):
            yield content


def _unpacked_lz4(chunks: Iterator[bytes]) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.PythonFile(poured(chunks), mode="r"), "lz4") as stream:
        while content := stream.read(BLOCK):
            yield content


_Expander: TypeAlias = Callable[[Iterator[bytes]], Iterator[bytes]]
_EXPANDERS: Mapping[str, _Expander] = {"none": iter, "gzip": _inflated, "zstd": _unpacked_zstd, "lz4": _unpacked_lz4}
"""How data is expanded, by the name in the header."""

FORMATS: tuple[Format, ...] = (Format("pg-custom", lambda head, _name: head.startswith(MAGIC), _custom),)
"""What this module reads."""
