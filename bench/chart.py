"""The benchmark's chart: rows erased per second and the ratio to hand-written SQL, by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

from expunge.terms import Json

mpl.use("Agg")  # draws into files; needs no display

from matplotlib import pyplot as plt

AIM = 1.5
"""Located -> Erased to the floor at 1,000 requests and more."""


def draw(rows: Sequence[Mapping[str, Json]], path: Path) -> None:
    """Two panels that share their batches. An SVG keeps its texts as text: small, and readable by a screen reader."""
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "expunge", "font.family": "sans-serif", "font.size": 9}):
        figure, (speed, ratio) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
        batches = [row["batch"] for row in rows]
        speed.loglog(batches, [row["rows_per_s"] for row in rows], "o-", color="#1f5fa8", label="expunge, Located to Erased")
        speed.loglog(batches, [row["floor_rows_per_s"] for row in rows], "s--", color="#8a8a8a", label="hand-written SQL")
        speed.set(xlabel="requests in one run", ylabel="rows erased per second")
        speed.legend(frameon=False)
        ratio.semilogx(batches, [row["ratio"] for row in rows], "o-", color="#1f5fa8")
        ratio.axhline(AIM, color="#b3412e", linewidth=1, linestyle=":")
        ratio.annotate("aim at 1,000 and more", (batches[0], AIM), xytext=(0, 3), textcoords="offset points", color="#b3412e")
        ratio.set(xlabel="requests in one run", ylabel="time, to hand-written SQL")
        ratio.set_ylim(bottom=0)
        for panel in (speed, ratio):
            panel.grid(visible=True, which="major", linewidth=0.4)
            panel.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
