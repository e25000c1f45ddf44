"""Copies where nothing can read them: each must stand in the account of what was not scanned."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from bench.hunt_forms_wraps import pdf
from bench.hunt_plant import Maker

DEEP = 14
"""Containers in containers; the hunt opens eight."""

BOMB = 300
"""MiB of zeros in a few kilobytes: above what is always unwrapped, and above a thousand times the file."""


def _flagged(body: bytes) -> bytes:
    """A zip whose member says that it is encrypted."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        file.writestr("held.txt", bytes(one ^ 0x5A for one in body))
    raw = bytearray(out.getvalue())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def _deep(body: bytes) -> bytes:
    for place in range(DEEP):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"level{place}.zip", body)
        body = out.getvalue()
    return body


def _bomb(body: bytes) -> bytes:
    part = gzip.compress(bytes(1 << 20), mtime=0)
    return gzip.compress(part * BOMB + gzip.compress(body, mtime=0), mtime=0)


def _parquet(body: bytes) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"text": [body.decode()] * 20}), out, compression="gzip")
    return out.getvalue()[:-40]


def _damaged(body: bytes) -> bytes:
    raw = bytearray(gzip.compress(body, mtime=0))
    raw[40:80] = bytes(40)
    return bytes(raw)


def _later(body: bytes) -> bytes:
    """A 7z's signature and header, and bytes that nobody here opens."""
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<IQQI", 1, len(body), 30, 2) + zlib.compress(bytes(one ^ 0x33 for one in body))


FILES: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("damaged.log.gz", _damaged),
    ("cut-short.log.gz", lambda body: gzip.compress(body, mtime=0)[:-60]),
    ("cut-short.parquet", _parquet),
    ("cut-short.zip", lambda body: _flagged(body)[: len(body) // 2]),
    ("encrypted.zip", _flagged),
    ("encrypted.pdf", lambda body: pdf(body, None).replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt 9 0 R")),  # type: ignore[arg-type]  # the page needs no surroundings
    ("encrypted.db", lambda body: zlib.compress(body)[::-1] * 3),
    ("vault.gpg", lambda body: b"\x85\x01\x0c\x03" + zlib.compress(body)[::-1]),
    ("archive.7z", _later),
    ("too-deep.zip", _deep),
    ("bomb.gz", _bomb),
)


def plant(folder: Path, maker: Maker, value: bytes) -> list[str]:
    """Put them into a folder; their names. A file without permission can only be made by somebody who isn't root."""
    folder.mkdir(parents=True)
    names = []
    for name, make in FILES:
        (folder / name).write_bytes(make(maker.log(value)))
        names.append(name)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/nowhere/else.log")  # a link to what lies in the share is read there, and passed over here
    names += ["pipe", "link"]
    if os.geteuid() != 0:
        (folder / "denied.log").write_bytes(maker.log(value))
        (folder / "denied.log").chmod(0)
        names.append("denied.log")
    return names
