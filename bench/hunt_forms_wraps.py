"""What lies in what: compression, archives, documents, images, dumps; around a log, or around a recording's bytes."""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import zstandard

from bench.hunt_plant import Maker, Way, said
from expunge.hunt.prints import Trace

Wrap = Callable[[bytes, Maker], bytes]


def tarred(body: bytes, maker: Maker, mode: str = "w") -> bytes:
    """Between two other members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as file:  # type: ignore[call-overload]  # the mode is one of tarfile's
        for name, held in (("a/readme.txt", b"see wiki\n"), ("a/000417.bin", body), ("a/noise", maker.random.randbytes(3000))):
            member = tarfile.TarInfo(name)
            member.size = len(held)
            file.addfile(member, io.BytesIO(held))
    return out.getvalue()


def zipped(body: bytes, maker: Maker, method: int = zipfile.ZIP_DEFLATED, name: str = "a/000417.bin") -> bytes:
    """Behind another member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        file.writestr("a/noise", maker.random.randbytes(3000))
        file.writestr(name, body)
    return out.getvalue()


def _mail(body: bytes, _maker: Maker) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "bot@hearth.example", "team@hearth.example", "the export"
    mail.set_content("Attached.\n")
    mail.add_attachment(body, maintype="application", subtype="octet-stream", filename="export.bin")
    return b"From bot@hearth.example Mon Mar  4 11:02:07 2024\n" + mail.as_bytes() + b"\n"


def _notebook(body: bytes, _maker: Maker) -> bytes:
    shown = {"output_type": "display_data", "data": {"application/octet-stream": base64.b64encode(body).decode()}, "metadata": {}}
    cell = {"cell_type": "code", "source": ["show()"], "outputs": [shown], "metadata": {}, "execution_count": 1}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}, indent=1).encode()


def pdf(body: bytes, _maker: Maker) -> bytes:
    """One page of text, deflated, with the body as text; bytes that are no text as an attached file."""
    lines = body.decode("latin-1").splitlines()[:60]
    shown = (
        "BT /F1 8 Tf 20 800 Td 10 TL "
        + " ".join("(" + one.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") + ") '" for one in lines)
        + " ET"
    )
    content, held = zlib.compress(shown.encode("latin-1")), zlib.compress(body)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> /MediaBox [0 0 595 842] >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(content) + content + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /EmbeddedFile /Length %d /Filter /FlateDecode >>\nstream\n" % len(held) + held + b"\nendstream",
    ]
    out, at = bytearray(b"%PDF-1.7\n"), []
    for number, one in enumerate(objects, 1):
        at.append(len(out))
        out += b"%d 0 obj\n" % number + one + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % one for one in at)
    return bytes(out + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table))


def _document(body: bytes, _maker: Maker) -> bytes:
    text = "".join(f"<w:p><w:r><w:t>{binascii.hexlify(one).decode()}</w:t></w:r></w:p>" for one in [b"see the object"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("word/document.xml", f"<w:document>{text}</w:document>")
        file.writestr("word/embeddings/object1.bin", body)
    return out.getvalue()


def _core(body: bytes, maker: Maker) -> bytes:
    """An ELF core's head, and memory at an odd offset."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + bytes(4000) + maker.random.randbytes(8191) + body + bytes(5000) + maker.random.randbytes(4096)


def _image(body: bytes, maker: Maker) -> bytes:
    """A block device: the file lies whole at a block's start, its neighbours are noise and zeros."""
    return bytes(1 << 16) + maker.random.randbytes(4096 * 3) + body + bytes(-len(body) % 4096) + bytes(1 << 16)


def _pages(body: bytes, maker: Maker) -> bytes:
    """A store of fixed pages without a known head (LMDB's kind): values in pages that were never compacted."""
    return (
        b"".join(struct.pack("<QHH", number, 0, 2) + maker.random.randbytes(4084) for number in range(4))
        + struct.pack("<QII", 4, 8, len(body))
        + body
        + bytes(900)
    )


def _database(body: bytes, maker: Maker) -> bytes:
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        path = Path(folder, "x.db")
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE cache (key TEXT, held BLOB)")
        database.executemany("INSERT INTO cache VALUES (?, ?)", [("a", maker.random.randbytes(700)), ("b", body), ("c", b"x")])
        database.commit()
        database.close()
        return path.read_bytes()


def _parquet(codec: str) -> Wrap:
    def wrap(body: bytes, maker: Maker) -> bytes:
        out = io.BytesIO()
        pyarrow.parquet.write_table(pa.table({"key": ["a", "b"], "held": [maker.random.randbytes(400), body]}), out, compression=codec)
        return out.getvalue()

    return wrap


def _model(body: bytes, maker: Maker) -> bytes:
    """As PyTorch saves a dictionary: a pickle in a stored zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", pickle.dumps({"epoch": 3, "sample": body}, protocol=2))
        file.writestr("archive/data/0", maker.random.randbytes(4096))
    return out.getvalue()


def _repository(body: bytes, _maker: Maker) -> bytes:
    """A pack as git keeps it: every object deflated by itself."""
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        Path(folder, "export.bin").write_bytes(body)
        name = ["-c", "user.name=x", "-c", "user.email=x@x.example"]
        for command in (["init", "-q"], ["add", "-A"], [*name, "commit", "-qm", "x"], ["repack", "-adq"]):
            subprocess.run(["git", "-C", folder, *command], check=True, capture_output=True)  # noqa: S603, S607 - git as installed, in a folder of its own
        return next(Path(folder).glob(".git/objects/pack/*.pack")).read_bytes()


def _array(body: bytes, _maker: Maker) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, waves=np.frombuffer(body, np.uint8))
    return out.getvalue()


def _uuencoded(body: bytes, _maker: Maker) -> bytes:
    return b"begin 644 export.bin\n" + b"".join(binascii.b2a_uu(body[at : at + 45]) for at in range(0, len(body), 45)) + b"`\nend\n"


def _lines_of_base64(body: bytes, _maker: Maker) -> bytes:
    return b"-----BEGIN EXPORT-----\n" + base64.encodebytes(body) + b"-----END EXPORT-----\n"


def _in_json(body: bytes, maker: Maker) -> bytes:
    return maker.lines(json.dumps({"clip": base64.b64encode(body).decode(), "rate": 16000}).encode())


def _in_a_page(body: bytes, _maker: Maker) -> bytes:
    return b'<html><body><audio src="data:audio/wav;base64,' + base64.b64encode(body) + b'"></audio></body></html>'


def _nested(body: bytes, maker: Maker) -> bytes:
    return gzip.compress(tarred(zipped(bz2.compress(body), maker), maker), mtime=0)


WRAPS: tuple[tuple[str, str, Wrap, float | None], ...] = (
    ("gzip", ".gz", lambda body, _: gzip.compress(body, mtime=0), 0.99),
    ("two gzip members", ".gz", lambda body, _: gzip.compress(b"head\n", mtime=0) + gzip.compress(body, mtime=0), 0.99),
    ("zstd", ".zst", lambda body, _: zstandard.compress(body), 0.99),
    ("xz", ".xz", lambda body, _: lzma.compress(body), 0.99),
    ("bzip2", ".bz2", lambda body, _: bz2.compress(body), 0.99),
    ("zlib", ".z", lambda body, _: zlib.compress(body), 0.99),
    ("gzip under another name", ".dat", lambda body, _: gzip.compress(body, mtime=0), 0.99),
    ("tar", ".tar", tarred, 0.99),
    ("tar.gz", ".tgz", lambda body, maker: tarred(body, maker, "w:gz"), 0.99),
    ("zip", ".zip", zipped, 0.99),
    ("zip, stored", ".zip", lambda body, maker: zipped(body, maker, zipfile.ZIP_STORED), 0.99),
    ("zip, LZMA", ".zip", lambda body, maker: zipped(body, maker, zipfile.ZIP_LZMA), 0.99),
    ("jar", ".jar", lambda body, maker: zipped(body, maker, name="META-INF/export.bin"), 0.99),
    ("bzip2 in zip in tar in gzip", ".tar.gz", _nested, 0.99),
    ("base64 lines of gzip", ".pem", lambda body, maker: _lines_of_base64(gzip.compress(body, mtime=0), maker), 0.99),
    ("base64 in JSON", ".jsonl", _in_json, 0.99),
    ("data address in a page", ".html", _in_a_page, 0.99),
    ("hex in SQL", ".sql", lambda body, maker: maker.lines(b"INSERT INTO cache VALUES (7, '\\x" + body.hex().encode() + b"');"), 0.99),
    ("uuencode", ".uu", _uuencoded, 0.99),
    ("mail box", ".mbox", _mail, 0.99),
    ("notebook", ".ipynb", _notebook, 0.99),
    ("PDF", ".pdf", pdf, 0.99),
    ("text document's object", ".docx", _document, 0.99),
    ("SQLite cell", ".db", _database, 0.99),
    ("Parquet cell, snappy", ".parquet", _parquet("snappy"), 0.99),
    ("Parquet cell, zstd", ".parquet", _parquet("zstd"), 0.99),
    ("pickle", ".pkl", lambda body, _: pickle.dumps({"held": body}), 0.99),
    ("model file", ".pt", _model, 0.99),
    ("npz", ".npz", _array, 0.99),
    ("core dump", ".core", _core, 0.99),
    ("block image", ".img", _image, 0.99),
    ("gzip in a block image", ".img", lambda body, maker: _image(gzip.compress(body, mtime=0), maker), 0.99),
    ("pages of an unknown store", ".mdb", _pages, 0.99),
    ("git pack", ".pack", _repository, None),
)


def _log(wrap: Wrap) -> Callable[[Maker, Trace], bytes]:
    return lambda maker, trace: wrap(maker.log(said(trace).encode()), maker)


def _body(wrap: Wrap) -> Callable[[Maker, Trace], bytes]:
    def make(maker: Maker, trace: Trace) -> bytes:
        assert isinstance(trace.value, bytes)
        return wrap(trace.value, maker)

    return make


def _part(share: float) -> Wrap:
    def wrap(body: bytes, maker: Maker) -> bytes:
        first = int(len(body) * (1 - share) / 2)
        return maker.random.randbytes(777) + body[first : first + int(len(body) * share)] + maker.random.randbytes(500)

    return wrap


def ways() -> list[Way]:
    """A log in everything, and a recording's bytes in everything."""
    found = [Way(f"log in {name}", "in files", ("email", "text"), _log(wrap), suffix, aim) for name, suffix, wrap, aim in WRAPS]
    found += [Way(f"clip in {name}", "bytes", ("clip", "voice"), _body(wrap), suffix, aim) for name, suffix, wrap, aim in WRAPS]
    found += [
        Way(f"{share:.0%} of a clip's bytes", "bytes", ("clip",) * 3, _body(_part(share)), ".bin", 0.99) for share in (0.9, 0.5, 0.25)
    ]
    found.append(Way("clip's samples without a head", "bytes", ("clip",) * 3, _body(lambda body, _: body[44:]), ".raw"))
    return found
