"""The copies that nobody listed, made from the same rows, as they come about in a company.

- ``warehouse/asr.db``: a table of transcripts that somebody needed for a week in 2019;
- ``share/notebooks``: a data scientist's notebook, with what was printed in it, and a pickle;
- ``share/exports``: a tarball of clips for a supplier, re-encoded, their names taken off;
- ``share/analytics``: a spreadsheet of children.

The policy does not describe them, so an erasure that is only as good as its list leaves them. Off by default.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
import sqlite3
import tarfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import av

from examples.home.families import Batch, Blob, Row

_MOST = 50
"""Rows of each: somebody's sample, not a warehouse."""

_SHOWN = 8
"""Rows that the notebook printed."""


def write(folder: Path, batch: Batch) -> int:
    """Write the copies from the first households' rows; how many records they hold."""
    for name in ("share/analytics", "share/notebooks", "share/exports", "warehouse"):
        (folder / name).mkdir(parents=True)
    profiles = batch.tables["profiles"][:_MOST]
    owners = {row[0]: row[2] for row in batch.tables["clips"]}
    transcripts = [(owners[row[1]], row[2], row[4]) for row in batch.tables["transcripts"] if owners[row[1]] is not None][:_MOST]
    _spreadsheet(folder / "share" / "analytics" / "kids_q2_final.csv", profiles)
    (folder / "share" / "notebooks" / "wake_word_sample.pkl").write_bytes(pickle.dumps(transcripts, protocol=4))
    _notebook(folder / "share" / "notebooks" / "wake_word_tuning.ipynb", transcripts)
    _database(folder / "warehouse" / "asr.db", transcripts)
    clips = [blob for blob in batch.blobs if "/child-" in blob.key][:_MOST]
    _tarball(folder / "share" / "exports" / "clips_for_supplier.tar.gz", clips)
    return len(profiles) + 2 * len(transcripts) + min(len(transcripts), _SHOWN) + len(clips)


def _spreadsheet(path: Path, profiles: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(["profile", "child", "born"])
        sheet.writerows((row[0], row[3], row[4]) for row in profiles)


def _notebook(path: Path, transcripts: Sequence[Row]) -> None:
    """What a notebook keeps of a sample that was looked at: the cell, and its output."""
    shown = [f"{place}  profile_id={row[0]}  {row[1]!r}\n" for place, row in enumerate(transcripts[:_SHOWN])]
    output = {"output_type": "stream", "name": "stdout", "text": shown}
    source = ["import pickle\n", "for n, row in enumerate(pickle.load(open('wake_word_sample.pkl', 'rb'))[:8]):\n", "    print(n, row)\n"]
    cell = {"cell_type": "code", "execution_count": 3, "metadata": {}, "outputs": [output], "source": source}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1), "utf-8")


def _database(path: Path, transcripts: Sequence[Row]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE tmp_asr_2019 (line INTEGER PRIMARY KEY, profile_id INTEGER, text TEXT, heard_at TEXT)")
        lines = [(line, row[0], row[1], str(row[2])) for line, row in enumerate(transcripts, start=1)]
        connection.executemany("INSERT INTO tmp_asr_2019 VALUES (?, ?, ?, ?)", lines)


def _tarball(path: Path, clips: Iterable[Blob]) -> None:
    """Clips as a supplier gets them: MP3, numbered."""
    with tarfile.open(path, "w:gz") as archive:
        for number, blob in enumerate(clips, start=1):
            body = _as_mp3(blob.versions[-1]())
            entry = tarfile.TarInfo(f"clips/c{number:04d}.mp3")
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))


def _as_mp3(clip: bytes) -> bytes:
    """The clip at 16 kHz and 48 kbit/s, without its metadata."""
    written = io.BytesIO()
    with av.open(io.BytesIO(clip)) as source, av.open(written, "w", format="mp3") as target:
        stream = target.add_stream("libmp3lame", rate=16_000, bit_rate=48_000, layout="mono")
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=16_000)
        for frame in (*source.decode(audio=0), None):
            for one in resampler.resample(frame):
                target.mux(stream.encode(one))
        target.mux(stream.encode(None))
    return written.getvalue()
