"""A page that shows the age of what is held against its term: one row for each term and collection, in one drawing. Pure.

The page stands alone: no script, nothing loaded from elsewhere, no record and no person in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from expunge.retain.rules import Rule
from expunge.terms import Json

QUARTERS = 8
"""Bars up to twice the term, a quarter of it each; one more holds all that is older."""

_LEFT, _BAR, _GAP, _ROW, _HIGH, _TOP = 430, 52, 4, 64, 40, 64
_RIGHT = 190


@dataclass(frozen=True, slots=True)
class Ages:
    """The ages of one rule's records, as counts by quarters of the term: the first is the youngest, the last all beyond twice the term."""

    rule: Rule
    counts: tuple[int, ...]

    @property
    def overdue(self) -> int:
        """How many are older than the term."""
        return sum(self.counts[QUARTERS // 2 :])


@dataclass(frozen=True, slots=True)
class Report:
    """All rows at one time; ``endless`` are terms without an end, in words; ``undated`` counts what has no time, by collection."""

    at: datetime
    controller: str
    ages: tuple[Ages, ...]
    endless: tuple[str, ...]
    undated: Mapping[str, int]

    @property
    def records(self) -> int:
        """How many records the rows count; a record under several rules counts in each."""
        return sum(sum(one.counts) for one in self.ages)

    @property
    def overdue(self) -> int:
        """How many of them are past their term."""
        return sum(one.overdue for one in self.ages)

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "at": self.at.isoformat(),
            "records": self.records,
            "overdue": self.overdue,
            "rows": [
                {
                    "term": one.rule.name,
                    "collection": one.rule.collection,
                    "keep_days": one.rule.keep / timedelta(days=1),
                    "quarters": list(one.counts),
                }
                for one in self.ages
            ],
            "endless": list(self.endless),
            "undated": dict(self.undated),
        }

    def as_html(self) -> str:
        """The page."""
        when = f"{self.at:%Y-%m-%d %H:%M} UTC"
        late = f"{self.overdue:,} of them are past their term" if self.overdue else "none of them is past its term"
        parts = [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(self.controller)}: what is held, and for how long</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{escape(self.controller)}: what is held, and for how long</h1>",
            f"<p>{when}. {self.records:,} records under {len(self.ages)} terms; <strong>{late}</strong>.</p>",
            _drawing(self.ages),
            _list("Without an end", self.endless),
            _list(
                "Without a time, so that no term ends them", [f"{address}: {count:,} records" for address, count in self.undated.items()]
            ),
            "<p>A record under several terms counts in each. What is past its term goes with the next sweep, or is under a hold.</p>",
            "</body></html>",
        ]
        return "\n".join(part for part in parts if part) + "\n"


def quarter(age: timedelta, keep: timedelta) -> int:
    """In which bar a record of this age stands; one from the future is the youngest there is."""
    if not keep:
        return QUARTERS
    return min(max(int(age / keep * (QUARTERS // 2)), 0), QUARTERS)


def _drawing(ages: Sequence[Ages]) -> str:
    width = _LEFT + (QUARTERS + 1) * (_BAR + _GAP) + _RIGHT
    height = _TOP + len(ages) * _ROW + 24
    rows = [part for place, one in enumerate(ages) for part in _row(one, _TOP + place * _ROW)]
    return "\n".join(
        [
            f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="Ages of records against terms">',
            *_scale(height),
            *rows,
            "</svg>",
        ]
    )


def _scale(height: int) -> list[str]:
    """The percentages above the bars, and the line at which terms end."""
    marks = [(0, "new"), (QUARTERS // 4, "half"), (QUARTERS // 2, "term")]
    ends = _x(QUARTERS // 2) - _GAP // 2
    texts = [f'<text x="{_x(place) - _GAP // 2}" y="{_TOP - 28}" class="mark">{word}</text>' for place, word in marks]
    texts.append(f'<text x="{_x(QUARTERS) + _BAR // 2}" y="{_TOP - 28}" class="mark">over twice</text>')
    return [*texts, f'<line x1="{ends}" x2="{ends}" y1="{_TOP - 20}" y2="{height - 16}" class="end"/>']


def _x(place: int) -> int:
    return _LEFT + place * (_BAR + _GAP)


def _row(one: Ages, top: int) -> list[str]:
    """One term and collection: what it is, a bar for each quarter of the term, and the total."""
    rule, most = one.rule, max(one.counts) or 1
    base = top + _HIGH
    length = f"{rule.keep / timedelta(days=1):g} days"
    found = [
        f'<text x="8" y="{top + 16}" class="what">{escape(rule.term.category)}</text>',
        f'<text x="8" y="{top + 34}" class="where">{escape(rule.kind)} · {escape(rule.collection)} · {length}</text>',
        f'<line x1="{_LEFT}" x2="{_x(QUARTERS + 1)}" y1="{base}" y2="{base}" class="base"/>',
    ]
    for place, count in enumerate(one.counts):
        if count:
            high = max(2, round((_HIGH - 14) * count / most))
            kind = "late" if place >= QUARTERS // 2 else "held"
            told = f"{count:,} records"
            found.append(
                f'<rect x="{_x(place)}" y="{base - high}" width="{_BAR}" height="{high}" class="{kind}"><title>{told}</title></rect>'
            )
            found.append(f'<text x="{_x(place) + _BAR // 2}" y="{base - high - 3}" class="count">{_short(count)}</text>')
    total = f"{sum(one.counts):,}" + (f", {one.overdue:,} late" if one.overdue else "")
    return [*found, f'<text x="{_x(QUARTERS + 1) + 12}" y="{base}" class="{"sum over" if one.overdue else "sum"}">{total}</text>']


def _short(count: int) -> str:
    """A count in at most five characters: bars are narrow."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            return f"{count / (1000 if letter == 'k' else size):.3g}{letter}"
    return str(count)


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<h2>{escape(title)}</h2><ul>{''.join(f'<li>{escape(one)}</li>' for one in items)}</ul>"


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1180px;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.4rem} h2{font-size:1.1rem} svg{max-width:100%;height:auto}
text{font-family:system-ui,sans-serif;fill:#1b1f24} .what{font-size:14px;font-weight:600} .where{font-size:12px;fill:#59636e}
.mark{font-size:12px;text-anchor:middle;fill:#59636e} .count{font-size:11px;text-anchor:middle} .sum{font-size:13px}
.over{font-weight:600;fill:#a40e26} .held{fill:#4c8dae} .late{fill:#c93c37} .base{stroke:#d1d9e0} .end{stroke:#a40e26;stroke-dasharray:4 3}
"""
