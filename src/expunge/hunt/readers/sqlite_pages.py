"""What lies in a SQLite database beside its rows: free pages, freed cells, and what no b-tree page explains.

SQLite does not overwrite what it deletes: a row's bytes stay in its page's free blocks, in the gap between a page's cell pointers and its
cells, and on pages of the free list, until something else is written there (file format, sections 1.5 and 1.6). Pages that are no b-tree's
are given whole: they continue long rows, which are seen as rows too, or are left of something.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_HEADER = 100
"""Bytes of the file's header, at the beginning of the first page."""

_KINDS = {2: 12, 5: 12, 10: 8, 13: 8}
"""The first byte of a b-tree page, and the length of its header."""

_BLOCKS = 64 << 10
"""Pages are read in blocks of about this many bytes."""


def page_size(head: bytes) -> int | None:
    """The size of a page, from the file's header; ``None`` if it is none that SQLite writes."""
    if len(head) < _HEADER:
        return None
    (size,) = struct.unpack_from(">H", head, 16)
    size = 65_536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else None  # noqa: PLR2004 # the least that the format allows


def unused(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The bytes of a database that no row is made of, page by page; ``size`` is that of a page."""
    file.seek(0)
    free = _free_list(file, size)
    file.seek(0)
    number = 0
    while block := file.read(max(_BLOCKS, size) // size * size):
        for at in range(0, len(block), size):
            number += 1
            page = block[at : at + size]
            left = page if number in free else _left(page, _HEADER if number == 1 else 0)
            if left.strip(b"\0"):
                yield left + b"\n"


def free_pages(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The pages on the free list, in their order in the file."""
    file.seek(0)
    for number in sorted(_free_list(file, size)):
        file.seek((number - 1) * size)
        page = file.read(size)
        if len(page) == size:
            yield page


def _free_list(file: BinaryIO, size: int) -> set[int]:
    """The numbers of the pages on the free list: trunk pages, each with the numbers of some leaves. A list that runs in a circle ends."""
    head = file.read(_HEADER)
    trunk = struct.unpack_from(">I", head, 32)[0] if len(head) == _HEADER else 0
    free = set[int]()
    while trunk and trunk not in free:
        free.add(trunk)
        file.seek((trunk - 1) * size)
        page = file.read(size)
        if len(page) < size:
            break
        following, count = struct.unpack_from(">II", page)
        leaves = min(count, size // 4 - 2)
        free.update(struct.unpack_from(f">{leaves}I", page, 8))
        trunk = following
    return free


def _left(page: bytes, start: int) -> bytes:
    """What of a page in use is free: the gap before its cells and its free blocks; all of it if it is no b-tree's."""
    kind = page[start] if start < len(page) else 0
    if kind not in _KINDS or len(page) < start + _KINDS[kind]:
        return page
    block, cells, content = struct.unpack_from(">HHH", page, start + 1)
    pointers = start + _KINDS[kind] + 2 * cells
    content = content or len(page)
    if not pointers <= content <= len(page):
        return page
    parts = [page[pointers:content]]
    while block > start and block + 4 <= len(page):
        following, length = struct.unpack_from(">HH", page, block)
        parts.append(page[block + 4 : block + length])
        if following <= block:  # they stand in ascending order
            break
        block = following
    return b"\n".join(parts)
