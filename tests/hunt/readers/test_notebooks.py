"""Notebooks: every cell and everything that it showed, where it stands."""

from __future__ import annotations

import base64
import io
import json

from expunge.hunt.pieces import Account, Place, Why
from expunge.hunt.readers import notebooks
from expunge.hunt.reading import Limits, Nested, Opened

CLIP = b"RIFF\x24\x00\x00\x00WAVEfmt "
PICTURE = base64.b64encode(b"\x89PNG").decode()
SAID = {"cell_type": "markdown", "source": ["# Maya\n", '"said" hello'], "attachments": {"me": {"image/png": PICTURE}}}
SHOWN = {"text/html": ["<td>Maya</td>"], "audio/wav": base64.encodebytes(CLIP).decode(), "application/json": {"a": 1}}
RAN = {
    "cell_type": "code",
    "source": "df.head()",
    "metadata": {},
    "outputs": [
        {"output_type": "stream", "name": "stdout", "text": ["u17@example.com\n"]},
        {"output_type": "execute_result", "data": SHOWN},
        {"output_type": "error", "ename": "KeyError", "evalue": "'maya'", "traceback": ["line 1", "line 2"]},
    ],
}
BOOK = {
    "nbformat": 4,
    "metadata": {"authors": [{"name": "Söphie"}]},
    "widgets": {"state": {"value": "Tom"}},
    "cells": [SAID, RAN],
}


def streams(raw: bytes) -> dict[str, bytes]:
    box = Opened(Place("share", "x.ipynb"), io.BytesIO(raw), len(raw), seekable=True, limits=Limits(), account=Account())
    return {one.place.members[-1]: one.file.read() for one in notebooks.read(box) if isinstance(one, Nested)}


def test_cells_and_outputs_are_streams() -> None:
    raw = json.dumps(BOOK).encode()
    assert notebooks.knows(raw, "x.ipynb")
    assert notebooks.knows(raw, "export")
    found = streams(raw)
    assert found["cell0"] == b'# Maya\n"said" hello'
    assert found["cell0/me.png"] == b"\x89PNG"
    assert found["cell1"] == b"df.head()"
    assert found["cell1/out0"] == b"u17@example.com\n"
    assert found["cell1/out1.html"] == b"<td>Maya</td>"
    assert found["cell1/out1.wav"] == CLIP
    assert b"'maya'" in found["cell1/out2"]
    assert "Söphie".encode() in found["metadata.json"]
    assert b"Tom" in found["other.json"]


def test_the_older_format_is_read() -> None:
    cell = {"cell_type": "code", "input": ["maya"], "outputs": [{"png": PICTURE}]}
    book = {"nbformat": 3, "worksheets": [{"cells": [cell]}]}
    found = streams(json.dumps(book).encode())
    assert found["cell0"] == b"maya"
    assert found["cell0/out0.png"] == b"\x89PNG"


def test_odd_notebooks_are_no_trouble() -> None:
    odd: list[object] = [{}, {"cells": [1, {"outputs": {"a": 1}}, {"source": 7, "attachments": [1]}]}, {"metadata": "maya", "cells": "x"}]
    for one in odd:
        streams(json.dumps(one).encode())


def test_a_notebook_beyond_the_limit_is_told() -> None:
    raw = b'{"cells": ["' + b"x" * (128 << 20) + b'"]}'
    box = Opened(Place("share", "x.ipynb"), io.BytesIO(raw), len(raw), seekable=True, limits=Limits(), account=Account())
    assert list(notebooks.read(box)) == []
    assert [one.why for one in box.account.unread] == [Why.TOO_LARGE]
