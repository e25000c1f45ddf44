"""Jupyter notebooks: what was typed, what it printed, and what it showed (pictures, recordings, tables), cell by cell.

A place names the cell and the output, from 0: ``cell3/out1.png``. Format: nbformat 4 and, with its worksheets, 3.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.reading import Format, Nested, Opened, Reading

_MOST = 128 << 20
"""Bytes of a notebook that is read as one: it must be parsed whole, which takes about six times its size."""

_ENDS = {
    "text/plain": "",
    "text/html": ".html",
    "text/markdown": "",
    "application/json": ".json",
    "image/svg+xml": ".svg",
    "text/latex": "",
}


def knows(head: bytes, name: str) -> bool:
    """A JSON object with cells, or one that is called a notebook."""
    return head.lstrip()[:1] == b"{" and (name.endswith(".ipynb") or (b'"cells"' in head and b'"cell_type"' in head))


def read(opened: Opened) -> Reading:
    """Everything in a notebook, as streams of their own; what is written in JSON's escapes comes as it was meant."""
    raw = opened.file.read(_MOST + 1)
    if len(raw) > _MOST:
        opened.account.unread.append(Unread(opened.place, Why.TOO_LARGE, opened.size, "a notebook of this size is looked at as bytes only"))
        return
    book = json.loads(raw)
    if not isinstance(book, dict):
        raise Damaged("a notebook that is no object")
    yield from _named(opened, "metadata.json", book.get("metadata"))
    cells = book.get("cells") or [cell for sheet in _each(book.get("worksheets")) for cell in _each(sheet.get("cells"))]
    for number, cell in enumerate(_each(cells)):
        yield from _cell(opened, f"cell{number}", cell)
    known = {"metadata", "cells", "worksheets", "nbformat", "nbformat_minor"}
    yield from _named(opened, "other.json", {key: value for key, value in book.items() if key not in known})


def _cell(opened: Opened, name: str, cell: Mapping[str, Any]) -> Iterator[Nested]:
    source = _joined(cell.get("source", cell.get("input")))
    if source:
        yield _nested(opened, name, source.encode("utf-8", "surrogatepass"))
    yield from _named(opened, f"{name}/metadata.json", cell.get("metadata"))
    for title, bundle in _pairs(cell.get("attachments")):
        yield from _bundle(opened, f"{name}/{title}", bundle)
    for number, output in enumerate(_each(cell.get("outputs"))):
        yield from _output(opened, f"{name}/out{number}", output)


def _output(opened: Opened, name: str, output: Mapping[str, Any]) -> Iterator[Nested]:
    """A stream, an error with its traceback, or something shown in several forms; the older format has the forms beside the kind."""
    told = "\n".join(filter(None, (_joined(output.get(key)) for key in ("text", "ename", "evalue"))))
    told += "\n".join(_joined(line) for line in _list(output.get("traceback")))
    if told:
        yield _nested(opened, name, told.encode("utf-8", "surrogatepass"))
    older = {
        f"image/{key}" if key in {"png", "jpeg"} else f"text/{key}": output[key] for key in ("png", "jpeg", "html", "svg") if key in output
    }
    yield from _bundle(opened, name, output.get("data") or older)
    yield from _named(opened, f"{name}/metadata.json", output.get("metadata"))


def _bundle(opened: Opened, name: str, bundle: object) -> Iterator[Nested]:
    """One thing in several forms, by their media types: text as it is, all else in base64."""
    for kind, held in _pairs(bundle):
        if not isinstance(held, str | list):
            yield from _named(opened, f"{name}.json", held)
            continue
        content = _joined(held)
        written = kind.startswith("text/") or kind in _ENDS or kind.endswith(("+json", "+xml", "javascript"))
        end = _ENDS.get(kind, "." + kind.rsplit("/", 1)[-1].split("+")[0])
        yield _nested(opened, name + end, content.encode("utf-8", "surrogatepass") if written else _decoded(content))


def _decoded(content: str) -> bytes:
    """Base64 as bytes; what isn't, as it is written."""
    written = content.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(written, validate=False) or written
    except binascii.Error:
        return written


def _named(opened: Opened, name: str, held: object) -> Iterator[Nested]:
    """A structure that has no form of its own, as JSON without escapes."""
    if held:
        yield _nested(opened, name, json.dumps(held, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _nested(opened: Opened, name: str, content: bytes) -> Nested:
    return Nested(opened.place.inside(name), io.BytesIO(content), len(content), seekable=True)


def _joined(held: object) -> str:
    """Text that is written as one string or as one to a line."""
    if isinstance(held, list):
        return "".join(one for one in held if isinstance(one, str))
    return held if isinstance(held, str) else ""


def _list(held: object) -> list[Any]:
    return held if isinstance(held, list) else []


def _each(held: object) -> list[Mapping[str, Any]]:
    return [one for one in _list(held) if isinstance(one, dict)]


def _pairs(held: object) -> list[tuple[str, Any]]:
    return list(held.items()) if isinstance(held, dict) else []


FORMATS: tuple[Format, ...] = (Format("notebook", knows, read),)
