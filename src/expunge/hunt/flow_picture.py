"""The map as a picture: a page with nothing to fetch, light or dark as the reader's system is, readable to a screen reader; and Mermaid.

A small layered layout (Sugiyama, Tagawa, Toda 1981): a node's column is its longest way from the ingest, its place in the column the mean
of its neighbours' places, swept a few times. Places that the policy doesn't list stand in the last column by themselves. Meaning is never
by colour alone: what isn't declared is also dashed and thick, what wasn't seen is thin and dotted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from expunge.hunt.flow import INGEST, Edge, Flow, Way

WIDTH, HEIGHT = 200, 44
"""Of a node, in pixels."""

ACROSS, DOWN = 110, 26
"""Between columns, and between nodes of one."""

EDGE = 40
SWEEPS = 8
LETTERS = 25
"""That fit into a node's width; longer names are shortened in the middle, and whole in its title."""

ORDER = (Way.UNSEEN, Way.ENTRY, Way.SEEN, Way.UNDECLARED)
"""What matters most is drawn last, so that it lies on top, and is told first."""

CLASSES: Mapping[Way, str] = {Way.ENTRY: "entry", Way.SEEN: "seen", Way.UNSEEN: "unseen", Way.UNDECLARED: "undeclared"}

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#8b949e;--paper:#fff;--box:#f6f8fa;--rim:#afb8c1;
--red:#c21f2c;--tint:#fff0f0}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#6e7681;--paper:#0f1318;--box:#1a2028;--rim:#3d444d;
--red:#ff7b72;--tint:#2b1618}}
body{margin:0 auto;padding:2rem;max-width:90rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;margin:0 0 .25rem}p{color:var(--soft);margin:.25rem 0 1rem;max-width:60rem}
.picture{overflow-x:auto}svg{display:block;min-width:60rem;width:100%;height:auto}
svg text{font:13px system-ui,sans-serif;fill:var(--ink)}svg .small{font-size:11px;fill:var(--soft)}
rect{fill:var(--box);stroke:var(--rim)}.unlisted rect{fill:var(--tint);stroke:var(--red);stroke-dasharray:6 3;stroke-width:1.5}
.ingest rect{fill:var(--ink);stroke:var(--ink)}.ingest text{fill:var(--paper)}
path{fill:none;stroke:var(--ink);stroke-width:1.5}path.unseen{stroke:var(--line);stroke-width:1;stroke-dasharray:2 4}
path.undeclared{stroke:var(--red);stroke-width:2.5;stroke-dasharray:8 4}path.entry{stroke:var(--soft);stroke-width:1.5}
.head path{stroke:none;fill:var(--ink)}.head .unseen{fill:var(--line)}.head .undeclared{fill:var(--red)}.head .entry{fill:var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:.5rem 2rem;padding:0;margin:1rem 0;list-style:none;color:var(--soft)}
.key svg{display:inline;min-width:0;width:3rem;height:.75rem;vertical-align:middle;margin-right:.5rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--rim);vertical-align:top;overflow-wrap:anywhere}
td.undeclared{color:var(--red);font-weight:600}h2{font-size:1.1rem;margin:2rem 0 .5rem}
"""

SMALL = 31
"""Letters of the line below a name."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is drawn: its upper left corner."""

    name: str
    left: float
    top: float


def page(flow: Flow, title: str, told: str) -> str:
    """The whole HTML page. ``told`` says when was looked, and at what."""
    kinds = {way: flow.count(way) for way in Way}
    red = kinds[Way.UNDECLARED]
    said = f"{red} {'way' if red == 1 else 'ways'} that nobody declared" if red else "nothing went where the policy does not say"
    rows = "".join(_row(one) for one in sorted(flow.edges, key=lambda one: ORDER.index(one.way), reverse=True))
    key = "".join(f"<li>{_sample(way)}{way.value} ({kinds[way]})</li>" for way in Way)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p>{escape(told)} <strong>{escape(said)}.</strong></p><ul class="key">{key}</ul>'
        f'<div class="picture">{svg(flow, said, alone=False)}</div>'
        "<h2>Every way</h2><table><thead><tr><th>from</th><th>to</th><th>which</th><th>what was seen at both ends</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></body></html>"
    )


def svg(flow: Flow, said: str, *, alone: bool = True) -> str:
    """The picture: ``alone`` with its style, or as part of a page that has it."""
    style = f"<style>{STYLE}</style>" if alone else ""
    boxes, gaps = layout(flow)
    width = max((box.left for box in boxes.values()), default=0) + WIDTH + EDGE
    height = max((box.top for box in boxes.values()), default=0) + HEIGHT + EDGE
    lines = "".join(_line(one, boxes, gaps[one]) for way in ORDER for one in flow.edges if one.way is way)
    heads = "".join(
        f'<marker id="{name}" class="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="{name}" d="M0 0 8 4 0 8z"/></marker>'
        for name in CLASSES.values()
    )
    nodes = "".join(_node(box, flow) for box in boxes.values())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="t d">'
        f'<title id="t">The real data flow beside the declared one</title><desc id="d">{escape(said)}.</desc>{style}'
        f"<defs>{heads}</defs>{lines}{nodes}</svg>"
    )


def mermaid(flow: Flow) -> str:
    """As Mermaid's text, for wikis and repositories."""
    names = {node: f"n{number}" for number, node in enumerate((INGEST, *flow.listed, *flow.unlisted))}
    lines = ["flowchart LR", f'  {names[INGEST]}(["{INGEST}"])']
    lines += [f'  {names[node]}["{_quoted(node)}"]' for node in flow.listed]
    lines += [f'  {names[node]}["{_quoted(node)}"]:::unlisted' for node in flow.unlisted]
    arrows = {Way.ENTRY: "-->", Way.SEEN: "-->", Way.UNSEEN: "-.->", Way.UNDECLARED: "==>"}
    red = []
    for number, one in enumerate(flow.edges):
        label = f'|"{_quoted(", ".join(one.things))}"|' if one.way is Way.UNDECLARED else ""
        lines.append(f"  {names[one.start]} {arrows[one.way]}{label} {names[one.end]}")
        if one.way is Way.UNDECLARED:
            red.append(str(number))
    lines.append("  classDef unlisted stroke:#c21f2c,stroke-width:2px,stroke-dasharray:6 3")
    if red:
        lines.append(f"  linkStyle {','.join(red)} stroke:#c21f2c,stroke-width:3px")
    return "\n".join(lines) + "\n"


def layout(flow: Flow) -> tuple[dict[str, Box], dict[Edge, list[Box]]]:
    """Where every node stands, and the gaps in the columns between through which an edge goes."""
    columns = _columns(flow)
    ways = {one: _steps(one, columns) for one in flow.edges}
    ranks: dict[int, list[str]] = {}
    for node, column in columns.items():
        ranks.setdefault(column, []).append(node)
    near: dict[str, list[str]] = {node: [] for node in columns}
    for one, steps in ways.items():
        for name, column in steps:
            ranks.setdefault(column, []).append(name)
        chain = [one.start, *(name for name, _ in steps), one.end]
        for left, right in pairwise(chain):
            if columns[one.start] != columns[one.end]:
                near.setdefault(left, []).append(right)
                near.setdefault(right, []).append(left)
    boxes = _boxes(_sorted(ranks, near), set(columns))
    return {node: boxes[node] for node in columns}, {one: [boxes[name] for name, _ in steps] for one, steps in ways.items()}


def _steps(one: Edge, columns: Mapping[str, int]) -> list[tuple[str, int]]:
    """A gap in every column that an edge passes over."""
    return [(f"{one.start}\0{one.end}\0{one.way}\0{column}", column) for column in range(columns[one.start] + 1, columns[one.end])]


def _sorted(ranks: dict[int, list[str]], near: Mapping[str, Sequence[str]]) -> dict[int, list[str]]:
    """Each column in the order of its neighbours' mean places."""
    places = {node: float(place) for held in ranks.values() for place, node in enumerate(held)}
    for sweep in range(SWEEPS):
        for column in sorted(ranks, reverse=bool(sweep % 2)):
            middle = (len(ranks[column]) - 1) / 2
            pull = {node: sum(places[one] for one in near[node]) / len(near[node]) if near[node] else 0.0 for node in ranks[column]}
            ranks[column].sort(key=lambda node: pull[node])
            # About the common middle line, so that columns of different lengths don't pull everything upwards.
            places |= {node: place - middle for place, node in enumerate(ranks[column])}
    return ranks


def _boxes(ranks: Mapping[int, Sequence[str]], nodes: Collection[str]) -> dict[str, Box]:
    tall = {column: sum((HEIGHT if node in nodes else 0) + DOWN for node in held) for column, held in ranks.items()}
    found = {}
    for step, column in enumerate(sorted(ranks)):
        top = EDGE + (max(tall.values()) - tall[column]) / 2
        for node in ranks[column]:
            found[node] = Box(node, EDGE + step * (WIDTH + ACROSS), top)
            top += (HEIGHT if node in nodes else 0) + DOWN
    return found


def _columns(flow: Flow) -> dict[str, int]:
    """The longest way from the ingest; ways that lead in a circle are followed once."""
    after: dict[str, list[str]] = {}
    for one in flow.edges:
        if one.end not in flow.unlisted and one.way is not Way.UNDECLARED:
            after.setdefault(one.start, []).append(one.end)
    columns = {INGEST: 0} | dict.fromkeys(flow.listed, 1)
    for start in list(columns):
        _push(start, after, columns, ())
    last = max(columns.values(), default=0) + 1
    return columns | dict.fromkeys(flow.unlisted, last)


def _push(node: str, after: Mapping[str, Sequence[str]], columns: dict[str, int], path: tuple[str, ...]) -> None:
    for end in after.get(node, ()):
        if end not in path and end != node and columns[end] < columns[node] + 1:
            columns[end] = columns[node] + 1
            _push(end, after, columns, (*path, node))


def _node(box: Box, flow: Flow) -> str:
    kind = "ingest" if box.name == INGEST else "unlisted" if box.name in flow.unlisted else "listed"
    held = sorted({thing for one in flow.edges if one.end == box.name for thing in one.things})
    note = {"ingest": "canaries are put in", "unlisted": f"unlisted: {', '.join(held)}", "listed": ""}[kind]
    line = box.top + HEIGHT / 2 + (-2 if note else 5)
    text = f'<text x="{box.left + 12:.0f}" y="{line:.0f}">{escape(_short(box.name, LETTERS))}</text>'
    small = f'<text class="small" x="{box.left + 12:.0f}" y="{line + 16:.0f}">{escape(_short(note, SMALL))}</text>' if note else ""
    rect = f'<rect x="{box.left:.0f}" y="{box.top:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
    title = f"{box.name} ({note})" if note else box.name
    return f'<g class="{kind}"><title>{escape(title)}</title>{rect}{text}{small}</g>'


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters // 2 - 1]}…{text[-(letters // 2) :]}"


def _line(one: Edge, boxes: Mapping[str, Box], gaps: Sequence[Box]) -> str:
    start, end = boxes[one.start], boxes[one.end]
    from_y, to_y = start.top + HEIGHT / 2, end.top + HEIGHT / 2
    told = escape(f"{one.start} to {one.end}: {one.way.value}" + (f" ({', '.join(one.things)})" if one.things else ""))
    path = f"M{start.left + WIDTH:.0f} {from_y:.0f}"
    if start.left < end.left:
        x, y = start.left + WIDTH, from_y
        for gap in gaps:
            path += f"{_curve(x, y, gap.left, gap.top)}H{gap.left + WIDTH:.0f}"
            x, y = gap.left + WIDTH, gap.top
        path += _curve(x, y, end.left - 2, to_y)
    else:  # inside a column, or back: round the right side
        x, to_x = start.left + WIDTH, end.left + WIDTH + 2
        path += f"C{x + 70:.0f} {from_y:.0f} {to_x + 70:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    name = CLASSES[one.way]
    return f'<path class="{name}" d="{path}" marker-end="url(#{name})"><title>{told}</title></path>'


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = (to_x - x) / 2
    return f"C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"


def _row(one: Edge) -> str:
    cells = "".join(f"<td>{escape(text)}</td>" for text in (one.start, one.end))
    return f'<tr>{cells}<td class="{CLASSES[one.way]}">{one.way.value}</td><td>{escape(", ".join(one.things))}</td></tr>'


def _sample(way: Way) -> str:
    return f'<svg viewBox="0 0 48 12" aria-hidden="true"><path class="{CLASSES[way]}" d="M0 6H48"/></svg>'


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;").replace("\n", " ")
