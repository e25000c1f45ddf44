"""The copies that nobody listed: an analyst's spreadsheet and a data scientist's pickle, made from the same rows.

The policy does not mention them, so an erasure that is only as good as its list leaves them. Off by default.
"""

from __future__ import annotations

import csv
import pickle
from collections.abc import Sequence
from pathlib import Path

from examples.home.families import Batch, Row

_MOST = 50
"""Rows of each: somebody's sample, not a warehouse."""


def write(folder: Path, batch: Batch) -> int:
    """Write both copies from the first households' rows; how many records they hold."""
    (folder / "analytics").mkdir(parents=True)
    (folder / "notebooks").mkdir()
    profiles, transcripts = batch.tables["profiles"][:_MOST], batch.tables["transcripts"][:_MOST]
    _spreadsheet(folder / "analytics" / "kids_q2_final.csv", profiles)
    (folder / "notebooks" / "wake_word_sample.pkl").write_bytes(pickle.dumps([(row[1], row[2]) for row in transcripts], protocol=4))
    return len(profiles) + len(transcripts)


def _spreadsheet(path: Path, profiles: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(["profile", "child", "born"])
        sheet.writerows((row[0], row[3], row[4]) for row in profiles)
