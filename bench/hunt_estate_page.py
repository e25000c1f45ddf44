"""Writes the page of figures from the benchmark's lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from expunge.terms import Json

MARK = "<!-- figures -->"
"""What stands below it in the page is written by ``bench/hunt.py --write``."""


def write(page: Path, lines: Sequence[Mapping[str, Json]], rows: Sequence[Mapping[str, Json]]) -> None:
    """Replace the page's figures; its words stay."""
    words = page.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
    held = {str(line["name"]): line for line in lines}
    told = [words, "", MARK, "", *_estate(held), *_groups(lines), *_speed(lines), *_transformations(rows), *_unread(held)]
    page.write_text("\n".join(told).rstrip() + "\n", encoding="utf-8")


def _figure(line: Mapping[str, Json], name: str) -> float:
    value = line[name]
    assert isinstance(value, int | float)
    return float(value)


def _estate(held: Mapping[str, Mapping[str, Json]]) -> list[str]:
    cost, alarms = held["estate"], held["false-alarms"]
    size = f"{_figure(cost, 'bytes') / 1e6:,.0f} MB, {_figure(cost, 'unwrapped') / 1e6:,.0f} MB more out of archives and compression"
    spent = f"{_figure(cost, 'cpu_s'):,.0f} s of CPU for everything (recordings included), {_figure(cost, 'wall_s'):,.0f} s on the clock"
    of, found, review = f"{_figure(alarms, 'lines_and_files'):,.0f}", alarms["found_per_million"], alarms["review_per_million"]
    alarmed = f"False alarms in {of} clean lines, rows and files, for each million: **{found} found**, {review} to review."
    return [
        "## Measured",
        "",
        f"{_figure(cost, 'needles'):,.0f} needles; {size}; {_figure(cost, 'streams'):,.0f} streams.",
        f"{spent}; at most {cost['peak_mb']} MB a process.",
        "Two shared cores with other work on them: read the counts, not the clock.",
        "",
        alarmed,
        f"Planted files in which somebody else was certainly recognised as well: {alarms['files_that_also_name_somebody_else']}.",
        "",
    ]


def _groups(lines: Sequence[Mapping[str, Json]]) -> list[str]:
    told = ["| of what is aimed at | planted | found | review | missed | recall |", "|---|---:|---:|---:|---:|---:|"]
    for line in lines:
        if str(line["name"]).startswith("all: "):
            counted = " | ".join(str(line[name]) for name in ("n", "found", "review", "missed"))
            told.append(f"| {line['group']} | {counted} | {_figure(line, 'recall'):.3f} |")
    return [*told, ""]


def _speed(lines: Sequence[Mapping[str, Json]]) -> list[str]:
    told = ["| identifiers and texts alone | GB for a CPU second | the decompressor alone |", "|---|---:|---:|"]
    timed = [line for line in lines if "gb_per_cpu_s" in line]
    told += [f"| {line['name']} | {line['gb_per_cpu_s']} | {line.get('decompressor_gb_per_cpu_s', '')} |" for line in timed]
    return [*told, ""]


def _transformations(rows: Sequence[Mapping[str, Json]]) -> list[str]:
    told = ["## By transformation", "", "Without an aim: beyond what is promised, listed with what it reaches.", ""]
    group = ""
    for row in rows:
        if row["group"] != group:
            group = str(row["group"])
            told += [
                "",
                f"**{group}**",
                "",
                "| transformation | planted | found | review | recall | aim |",
                "|---|---:|---:|---:|---:|---:|",
            ]
        aim = "-" if row["aim"] is None else f"{_figure(row, 'aim'):.2f}"
        told.append(f"| {row['name']} | {row['n']} | {row['found']} | {row['review']} | {_figure(row, 'recall'):.2f} | {aim} |")
    return [*told, ""]


def _unread(held: Mapping[str, Mapping[str, Json]]) -> list[str]:
    told = held["unreadable-told"]
    why = told["why"]
    assert isinstance(why, dict)
    lines = [f"| `{name}` | {reason} |" for name, reason in sorted(why.items())]
    silent = told["unmentioned"]
    assert isinstance(silent, list)
    said = "Every one is in the account:" if not silent else f"Not in the account: {', '.join(map(str, silent))}."
    return ["## What can't be read", "", f"{told['n']} places. {said}", "", "| place | told as |", "|---|---|", *lines]
