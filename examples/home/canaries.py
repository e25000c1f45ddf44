"""The ingest of the example's company, for canaries: ``python -m examples.home.canaries --at DIR FOLDER``.

What ``expunge hunt canary plant`` wrote is taken in as the company takes in a new household: rows, a recording, a line of the log. With
``--pipelines`` the company's other teams then do what they do: a job copies transcripts into a table of its own, and somebody exports a
spreadsheet with a recording beside it. None of that is declared; the map shows it.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

INTO = ("app.households", "app.people", "app.profiles", "app.clips", "app.transcripts", "media.voice_child")
"""The collections that this ingest writes to, for ``plant --into``."""

_NOW = "2026-06-30 12:00:00.000000"


def ingest(estate: Path, folder: Path) -> None:
    """Take in every canary below ``folder`` (files as ``plant`` writes them) into an estate in SQLite and folders.

    Raises:
        FileNotFoundError: there is no canary, or no such estate.
    """
    found = sorted(folder.glob("*/canary.json"))
    if not found:
        raise FileNotFoundError(folder)
    with closing(sqlite3.connect(estate / "data" / "app.db")) as app, app:
        for path in found:
            _household(estate, app, json.loads(path.read_text("utf-8")), path.with_name("recording.wav"))


def pipelines(estate: Path) -> None:
    """What other teams' jobs do with everything that is there, canaries or not."""
    with closing(sqlite3.connect(estate / "data" / "app.db")) as app, app:
        rows = app.execute("SELECT c.profile_id, t.text FROM transcripts t JOIN clips c ON c.id = t.clip_id").fetchall()
        people = app.execute("SELECT id, name, email FROM people").fetchall()
        app.execute("DROP TABLE IF EXISTS tmp_intent_training")
        app.execute("CREATE TABLE tmp_intent_training (line INTEGER PRIMARY KEY, profile_id INTEGER, said TEXT)")
        app.executemany("INSERT INTO tmp_intent_training (profile_id, said) VALUES (?, ?)", rows)
    exports = estate / "share" / "exports"
    exports.mkdir(parents=True, exist_ok=True)
    with (exports / "newsletter.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("person", "name", "mail"), *people])
    newest = max((estate / "data" / "media" / "voice").rglob("*.wav"), key=lambda path: path.stat().st_mtime_ns)
    shutil.copyfile(newest, exports / "sample.wav")


def _household(estate: Path, app: sqlite3.Connection, canary: dict[str, Any], recording: Path) -> None:
    people = canary["people"]
    house, adult, child = (
        int(people[kind][key]) for kind, key in (("household", "household_id"), ("adult", "person_id"), ("child", "profile_id"))
    )
    app.execute("INSERT INTO households VALUES (?, ?, ?)", (house, people["household"]["name"], _NOW))
    address = app.execute("SELECT min(id) FROM addresses").fetchone()[0]
    contact = (adult, house, address, people["adult"]["name"], people["adult"]["email"], "", _NOW)
    app.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?)", contact)
    app.execute("INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?, ?)", (child, house, adult, people["child"]["name"], 2018, _NOW, _NOW))
    device = app.execute("SELECT min(id) FROM devices").fetchone()[0]
    line = app.execute("SELECT max(id) FROM transcripts").fetchone()[0]
    for number, said in enumerate(canary["sentences"], start=1):
        clip = str(uuid4())
        key = f"voice/{house}/child-{child}/{clip}.wav"
        app.execute("INSERT INTO clips VALUES (?, NULL, ?, NULL, ?, ?, ?, ?)", (clip, child, device, key, _NOW, 4.0))
        app.execute(
            "INSERT INTO transcripts (id, clip_id, text, confidence, created_at) VALUES (?, ?, ?, 0.9, ?)",
            (line + number, clip, said, _NOW),
        )
        if number == 1:
            target = estate / "data" / "media" / key
            target.parent.mkdir(parents=True)
            shutil.copyfile(recording, target)
            _log(estate, {"household_id": house, "profile_id": child, "clip_id": clip, "text": said})


def _log(estate: Path, request: dict[str, object]) -> None:
    """The line that the application writes about it."""
    newest = max((estate / "data" / "logs").glob("app-*.jsonl"))
    with newest.open("a", encoding="utf-8") as file:
        line = {
            "at": "2026-06-30T12:00:00+00:00",
            "level": "info",
            "service": "asr",
            "request": {"id": str(uuid4()), "route": "/v1/speech", **request},
        }
        file.write(json.dumps(line) + "\n")


def main(words: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m examples.home.canaries", description="The example's ingest, for canaries.")
    parser.add_argument("--at", type=Path, required=True, metavar="DIR", help="the estate's folder")
    parser.add_argument("--pipelines", action="store_true", help="let other teams' jobs run afterwards")
    parser.add_argument("folder", type=Path, help="what `expunge hunt canary plant --to` wrote")
    told = parser.parse_args(words)
    ingest(told.at, told.folder)
    if told.pipelines:
        pipelines(told.at)
    return 0


if __name__ == "__main__":
    sys.exit(main())
