"""A notice as Markdown, as a page, and as plain text: the same sentences in the same order, and the version at the end of each.

The page has no scripts, no fonts and no pictures from elsewhere, so that reading it tells nobody anything; it is one column on any width,
in the reader's own colours and letter size, with headings that a screen reader can walk.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from expunge.family.notices import Item, Notice, Section, Sentence

Format: TypeAlias = Literal["md", "html", "txt"]

_COLUMNS = 76  # what a mail client of 80 columns shows with a quote mark
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|])")
_LINK = re.compile(r"https://[^\s<>\"]+[^\s<>\".,;:!?)]")

_STYLE = """
:root{color-scheme:light dark}
body{font:1.0625rem/1.6 system-ui,sans-serif;max-width:42rem;margin:0 auto;padding:1rem 1rem 4rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin:2.2rem 0 .6rem}h3{font-size:1.0625rem;margin:1.2rem 0 .2rem}
p{margin:.3rem 0}nav ul{padding-left:1.2rem}nav li,nav a{padding:.2rem 0}
.broken{border-left:.3rem solid;padding-left:.7rem;font-weight:600}
footer{margin-top:3rem;font-size:.9rem}
"""


def print_notice(notice: Notice, as_: Format) -> str:
    """The notice in one of the three forms, ending in a line end."""
    return _PRINTERS[as_](notice)


def plain(notice: Notice) -> str:
    """Every sentence and nothing else: what a grade of reading is measured on."""
    return " ".join(one.text for one in notice.every())


def _markdown(notice: Notice) -> str:
    lines = ["---", f"notice: {notice.kind}", f"for: {notice.about or 'everybody'}", f"version: {notice.digest}"]
    lines += [f"policy: {notice.policy}", f"template: {notice.template}", "controls:"]
    lines += [f'  "{one.id}": {one.claim.control}' for one in notice.every()]
    lines += ["---", "", f"# {_marked(notice.title)}", ""]
    for section in notice.sections:
        lines += [f"## {_marked(section.title)}", ""]
        lines += [line for one in section.sentences for line in (_marked_sentence(one), "")]
        for item in section.items:
            lines += [f"### {_marked(item.name)}", "", *(line for one in item.sentences for line in (_marked_sentence(one), ""))]
    return "\n".join([*lines, f"Version {notice.digest[:16]}"]) + "\n"


def _marked_sentence(one: Sentence) -> str:
    return f"**{_marked(one.text)}**" if one.broken else _marked(one.text)


def _marked(text: str) -> str:
    """Text that Markdown reads as text; a link stays one."""
    parts, end = [], 0
    for found in _LINK.finditer(text):
        parts += [_MARKUP.sub(r"\\\1", text[end : found.start()]), f"<{found[0]}>"]
        end = found.end()
    return "".join([*parts, _MARKUP.sub(r"\\\1", text[end:])])


def _text(notice: Notice) -> str:
    lines = [notice.title, "=" * min(len(notice.title), _COLUMNS), ""]
    for section in notice.sections:
        lines += [section.title.upper(), ""]
        lines += [line for one in section.sentences for line in (*_wrapped(one.text, ""), "")]
        for item in section.items:
            lines += [*_wrapped(item.name, "* "), *(line for one in item.sentences for line in _wrapped(one.text, "  ")), ""]
    return "\n".join([*lines, f"Version {notice.digest[:16]}"]) + "\n"


def _wrapped(text: str, first: str) -> list[str]:
    rest = " " * len(first)
    return textwrap.wrap(text, _COLUMNS, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False)


def _page(notice: Notice) -> str:
    title = html.escape(notice.title)
    links = "".join(f'<li><a href="#part-{html.escape(one.id)}">{html.escape(one.title)}</a></li>' for one in notice.sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="generator" content="expunge notice">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n{"".join(map(_page_section, notice.sections))}</main>\n'
        f'<footer><p>Version <span title="{notice.digest}">{notice.digest[:16]}</span></p></footer>\n</body>\n</html>\n'
    )


def _page_section(section: Section) -> str:
    body = _paragraphs(section.sentences) + "".join(map(_page_item, section.items))
    name = f"part-{html.escape(section.id)}"
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{html.escape(section.title)}</h2>\n{body}</section>\n'
    )


def _page_item(item: Item) -> str:
    return f"<h3>{html.escape(item.name)}</h3>\n{_paragraphs(item.sentences)}"


def _paragraphs(sentences: Sequence[Sentence]) -> str:
    shown = []
    for one in sentences:
        marked = ' class="broken"' if one.broken else ""
        shown.append(f'<p id="{html.escape(one.id)}" data-control="{html.escape(one.claim.control)}"{marked}>{_linked(one.text)}</p>\n')
    return "".join(shown)


def _linked(text: str) -> str:
    """Escaped, with its links made ones."""
    parts, end = [], 0
    for found in _LINK.finditer(text):
        link = html.escape(found[0])
        parts += [html.escape(text[end : found.start()]), f'<a href="{link}">{link}</a>']
        end = found.end()
    return "".join([*parts, html.escape(text[end:])])


_PRINTERS: Mapping[Format, Callable[[Notice], str]] = {"md": _markdown, "html": _page, "txt": _text}
