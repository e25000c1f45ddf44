"""Names of fields: what stands before a value in a log, JSON, XML, a URL or a path, and whether it fits an identifier's type.

``17`` is everywhere; behind ``"profile_id":``, ``profileId=``, ``/profiles/`` or in a column ``profile`` it is profile 17.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GENERIC = _words("id ids key no nr num number uuid guid ref fk pk code value text str the of hash")
"""Words that say that something is an identifier, but not of what."""

_OTHER = _words("count counts total size length version index rank score age ms seconds time at ts date")
"""Words that say that a number is something else."""

_EXTRA = 2
"""Words that a field's name may have beside the type's (``src_owner_profile_id``)."""

_SHORT = 3
_ENDINGS = _words("s es id ids uuid key no")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_OPENING = b" \t\r\n\\\"'`[({"
_SEPARATING = b":=>/("
_NAME = re.compile(rb"[\w.\-]{1,80}")
_LISTED = re.compile(rb"[\d\s,;\"'|\-]*[\[({]")
_OUTER = re.compile(rb"[^{}\[\]]{0,160}[{\[]\s{0,3}[:=]")


def parts_of(name: str) -> list[str]:
    """A name's words, small and singular: ``srcProfileIds`` is src, profile, id."""
    return [_singular(word.lower()) for word in _PART.findall(name)]


def _singular(word: str) -> str:
    if len(word) <= _SHORT:
        return word.removesuffix("s") if word == "ids" else word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _core(name: str) -> list[str]:
    """The words that say of what it is, ``profileid`` and ``profile_id`` alike."""
    words = []
    for word in parts_of(name):
        for ending in ("uuid", "guid", "id"):
            if word.endswith(ending) and len(word) > len(ending) + 2:
                words.append(word.removesuffix(ending))
                break
        else:
            words.append(word)
    return [word for word in words if word not in GENERIC]


def _label_core(label: str) -> list[str]:
    kind, _, collection = label.partition("\t")
    return _core(kind) or _core(collection)


def context_words(labels: Iterable[str]) -> list[str]:
    """Words after which an identifier of one of these types may stand, as the sweep sees words: without separators, small."""
    found: dict[str, None] = {}
    for label in labels:
        core = _label_core(label)
        for word in (*core, "".join(core)):
            if len(word) > 1:
                found |= dict.fromkeys((word, f"{word[:-1]}ies", *(word + ending for ending in sorted(_ENDINGS))))
    return list(found)


def fits(name: str, label: str) -> bool:
    """Whether a field of this name may hold identifiers of this type (``label``: type, tab, collection)."""
    core, seen = _label_core(label), _core(name)
    if not core or not seen:
        return False
    if "".join(seen) == "".join(core):
        return True
    return set(core) <= set(seen) and len(seen) - len(core) <= _EXTRA and not _OTHER & set(seen)


def names_before(before: bytes) -> tuple[list[str], bool]:
    """Names of the fields that the value after these bytes may belong to, and whether a separator (``:``, ``=``, ``>``, ``/``) says so.

    ``before`` is up to some hundred bytes; a list's beginning is looked for, and the object around an ``"id"``.
    """
    name, rest, sure = _name_at_end(before)
    if not sure:
        listed = _LISTED.match(before[::-1])
        if listed:
            name, rest, sure = _name_at_end(before[: len(before) - listed.end()])
    if not name or (_core(name) or not sure):
        return ([name], sure) if name else ([], False)
    outer = _OUTER.match(rest.rstrip(b" \"'\\")[::-1])
    if outer is not None:
        around, _, _ = _name_at_end(rest[: len(rest.rstrip(b" \"'\\")) - outer.end() + 1])
        return [f"{around}_{name}"], True
    return [name], True


def _name_at_end(before: bytes) -> tuple[str, bytes, bool]:
    """The name that stands at the end before separators and quotes, what is before it, and whether there is a separator."""
    closed = before[-120:].rstrip(_OPENING)
    bare = closed.rstrip(_SEPARATING + b" ")
    sure = bare != closed
    if not sure and len(before) > len(before.rstrip(b" \t#")) + 3:
        return "", before, False
    quoted = bare.rstrip(b"\\\"'`")
    found = _NAME.match(quoted[::-1])
    if found is None or (not sure and quoted != closed.rstrip(b"#").rstrip()):
        return "", before, False
    cut = len(before) - min(len(before), 120) + len(quoted) - found.end()
    return found.group()[::-1].decode("ascii", "replace"), before[:cut], sure
