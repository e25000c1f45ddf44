"""What is seen at a household's door and where its phones and watches have been.

Points follow real tracks, shifted so that every household has its own town. The roll-ups are the secondary copy: the same places under
other names, made weekly by another team.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial

from examples.home.families import DOORBELL, Batch, Blob, Family
from examples.home.recordings import Recordings
from examples.home.where import Amounts

POINTS = ("person_id", "profile_id", "lat", "lon", "accuracy", "at", "month")
ROLLUPS = ("who", "kid", "geohash", "week", "visits")

_BASE32 = "0123456789bcdefghjkmnpqrstuvwxyz"
_STAY = 4
"""Points of one outing; the roll-up counts outings, not points."""


def visits(batch: Batch, home: Family, amounts: Amounts, recordings: Recordings) -> None:
    """Two rings at the door: event, video, thumbnail, a line in the log. The face found belongs to the household's recordings."""
    for slot in (1, 2):
        event, at = home.number * 10 + slot, home.ago(6)
        video, thumb = f"doorbell/{home.number}/{event}.mp4", f"thumbs/{home.number}/{event}.jpg"
        face = f"face-{int(home.dice.random() * 1_000_000):06d}" if home.dice.random() < 0.8 else None
        batch.add("doorbell_events", event, home.number, home.device(DOORBELL), video, thumb, at, face)
        request = {"id": f"d{event}", "route": "/v1/ring", "household_id": home.number, "event_id": event}
        batch.lines.append((at, {"at": at.isoformat(), "level": "info", "service": "doorbell", "request": request}))
        if home.has_media(amounts):
            which = int(home.dice.random() * len(recordings.visits))
            stamps = [json.dumps({"event": event, "device": f"HD{home.number:09d}", "take": take}).encode() for take in (1, 2)]
            takes = tuple(partial(recordings.picture, which, stamp) for stamp in stamps[: 2 if slot == 1 else 1])
            batch.blobs += [Blob(video, (partial(recordings.video, which, stamps[0]),)), Blob(thumb, takes)]


def journeys(batch: Batch, home: Family, amounts: Amounts, recordings: Recordings) -> None:
    """Where everybody's phone or watch was in the last 90 days, and the weekly roll-up of it."""
    north, east = home.dice.random() * 1.5, home.dice.random() * 1.5
    for child, adult in home.members():
        track = recordings.tracks[int(home.dice.random() * len(recordings.tracks))]
        cells: dict[tuple[str, datetime], int] = {}
        for nth in range(amounts.points_per_person):
            if nth % _STAY == 0:
                at, step = home.ago(90, 1), int(home.dice.random() * len(track))
            lat, lon = track[(step + nth) % len(track)]
            lat, lon, moment = lat + north, lon + east, at + timedelta(minutes=7 * (nth % _STAY))
            batch.points.append((adult, child, lat, lon, 5.0 + nth % 20, moment, f"{moment.year}-{moment.month:02d}"))
            if nth % _STAY == 0:
                cell = (geohash(lat, lon), _monday(moment))
                cells[cell] = cells.get(cell, 0) + 1
        who = None if adult is None else str(adult)
        batch.rollups += [(who, child, place, week, count) for (place, week), count in cells.items()]


def geohash(lat: float, lon: float, length: int = 6) -> str:
    """The cell of a point, as geohash.org writes it; six characters are about 1.2 km by 0.6 km."""
    bits = 5 * length
    west_east, south_north = (bits + 1) // 2, bits // 2
    columns = int((lon + 180) / 360 * (1 << west_east))
    rows = int((lat + 90) / 180 * (1 << south_north))
    woven = 0
    for bit in range(bits):
        source, place = (columns, west_east - 1 - bit // 2) if bit % 2 == 0 else (rows, south_north - 1 - bit // 2)
        woven = woven << 1 | (source >> place & 1)
    return "".join(_BASE32[woven >> shift & 31] for shift in range(bits - 5, -1, -5))


def _monday(moment: datetime) -> datetime:
    return datetime.fromordinal(moment.toordinal() - moment.weekday()).replace(tzinfo=UTC)
