"""The texts of letters: one plain file per template, filled in with what the sender gives and nothing else.

A file's first line is ``Subject: …``, then an empty line, then the text; ``{name}`` stands for a field. A maker's own file of the same name
takes the place of the shipped one. A field that is missing, or one that nobody asked for, is a fault: a letter with a hole in it is not
sent, and a value that the text has no place for was meant to be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from expunge.errors import InvalidRequest

SHIPPED = Path(__file__).parent / "templates" / "letters"

ALWAYS = frozenset({"company", "contact", "address", "phone"})
"""Fields that every letter may use and none must: who writes, and how to reach them (16 CFR 312.4(d)(1))."""

_FIELD = re.compile(r"\{([a-z_]+)\}")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SUBJECT = "Subject: "


@dataclass(frozen=True, slots=True, repr=False)
class Text:
    """A letter as it is read."""

    subject: str
    body: str

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Text()"


def names(own: Path | None = None) -> Iterator[str]:
    """The templates that there are, sorted."""
    found = {file.stem for folder in (SHIPPED, own) if folder is not None for file in folder.glob("*.txt")}
    yield from sorted(found)


def wanted(template: str, own: Path | None = None) -> frozenset[str]:
    """The fields that a template's sender has to give.

    Raises:
        InvalidRequest: there is no such template, or its file is not of the form.
    """
    subject, body = _parts(template, own)
    return frozenset(_FIELD.findall(subject + body)) - ALWAYS


def render(template: str, fields: Mapping[str, str], always: Mapping[str, str], own: Path | None = None) -> Text:
    """Fill a template in; ``always`` are the fields of ``ALWAYS``. Values are text and are read by nobody as anything else.

    Raises:
        InvalidRequest: no such template, a field too many or too few, or one in the subject that would not stay on its line.
    """
    subject, body = _parts(template, own)
    missing, strange = wanted(template, own) - fields.keys(), fields.keys() - wanted(template, own)
    if missing or strange:
        told = [f"lacks {', '.join(sorted(missing))}"] * bool(missing) + [f"has no place for {', '.join(sorted(strange))}"] * bool(strange)
        raise InvalidRequest(f"the letter {' and '.join(told)}", where=template)
    values = {**{name: always.get(name, "") for name in ALWAYS}, **fields}
    head = _FIELD.sub(lambda found: values[found[1]], subject)
    if _CONTROL.search(head):
        raise InvalidRequest("a field of the letter's subject has a line end or another control character", where=template)
    return Text(head, _FIELD.sub(lambda found: values[found[1]], body))


def _parts(template: str, own: Path | None) -> tuple[str, str]:
    if not _NAME.fullmatch(template):
        raise InvalidRequest("a template's name is lower-case letters, digits and dashes")
    places = [folder / f"{template}.txt" for folder in (own, SHIPPED) if folder is not None]
    file = next((one for one in places if one.is_file()), None)
    if file is None:
        raise InvalidRequest(f"there is no letter {template}; there are {', '.join(names(own))}")
    return _read(file, file.stat().st_mtime_ns)


@cache
def _read(file: Path, changed: int) -> tuple[str, str]:
    del changed  # a file that was changed is read anew
    head, _, body = file.read_text(encoding="utf-8").partition("\n\n")
    if not head.startswith(_SUBJECT) or "\n" in head or not body.strip():
        raise InvalidRequest("a letter begins with a line `Subject: …` and an empty one", where=file.name)
    return head.removeprefix(_SUBJECT), body
