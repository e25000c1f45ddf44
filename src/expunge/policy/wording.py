"""What pydantic found, in this project's words: where it stands, what was meant, the nearest right word.

No message quotes a value of a store's options or of ``control``: a URL may hold a password.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from expunge.policy.catalog import Problem
from expunge.policy.known_keys import keys_at
from expunge.policy.reading import Document, PathTo, dotted
from expunge.terms import Json

_MEANT: Mapping[str, str] = {
    # pydantic's error type, without its ending: what was meant
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}


CLOSE = 0.6  # difflib's own default: one slip in a word of five


def nearest(word: str, known: Iterable[str], closeness: float = CLOSE) -> str | None:
    """The known word that a misspelling was most likely meant to be."""
    lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=closeness)
    return lower[close[0]] if close else None


def advise(word: str, known: Iterable[str]) -> str:
    """``did you mean …?``, or else all that there is."""
    choices = sorted(known)
    close = nearest(word, choices)
    if close:
        return f"did you mean {close}?"
    return f"there are {', '.join(choices)}" if choices else "there are none"


_QUOTABLE = frozenset({"a boolean", "a number"})


def worded(fault: ValidationError, model: type[BaseModel], document: Document, at: PathTo = ()) -> list[Problem]:
    """A problem per place; what was validated stands at ``at`` of the document."""
    content = _at(document, at)
    found: dict[PathTo, Problem] = {}
    for error in fault.errors(include_url=False, include_input=False):
        path, rest = _descend(content, error["loc"])
        found.setdefault((*path, *rest[:1]), _one(error, model, document, (*at, *path)))
    return list(found.values())


def _descend(content: Json, loc: Sequence[str | int]) -> tuple[PathTo, tuple[str | int, ...]]:
    """The part of ``loc`` that the file has (tags of unions are left out), and what follows it."""
    path: list[str | int] = []
    rest: list[str | int] = []
    for part in loc:
        name = "fidesops_meta" if part == "fides_meta" and isinstance(content, dict) and part not in content else part
        inside = isinstance(content, dict) and name in content
        if inside or (isinstance(content, list) and isinstance(name, int) and name < len(content)):
            content = cast("Any", content)[name]
            path.append(name)
        else:
            rest.append(part)
    return tuple(path), tuple(rest)


def _one(error: ErrorDetails, model: type[BaseModel], document: Document, path: PathTo) -> Problem:
    kind = error["type"]
    if kind == "extra_forbidden":
        key = str(path[-1])
        fix = advise(key, keys_at(model, error["loc"][:-1]))
        return Problem("unknown-key", dotted(path), "unknown key", fix, document.key_mark(path))
    if kind == "missing":
        path = path if error["loc"][-1] != (path[-1] if path else None) else path[:-1]
        return Problem("missing-key", dotted(path), f"lacks the key {error['loc'][-1]}", "add it", document.mark(path))
    if kind == "union_tag_not_found":
        return Problem("missing-key", dotted(path), "lacks the key kind", "add it", document.mark(path))
    if kind == "union_tag_invalid":
        tags = str(error["ctx"]["expected_tags"]).replace("'", "").split(", ")
        path = (*path, "kind")
        return Problem("unknown-kind", dotted(path), "unknown kind of store", advise(_said(document, path), tags), document.mark(path))
    return _value(error, document, path)


def _value(error: ErrorDetails, document: Document, path: PathTo) -> Problem:
    if path in document.traps and error["loc"][-1:] != ("[key]",):
        return Problem("yaml-trap", dotted(path), document.traps[path], "quote it", document.mark(path))
    code, message, fix = _phrase(error, document, path)
    return Problem(code, dotted(path), message, fix, document.mark(path))


def _phrase(error: ErrorDetails, document: Document, path: PathTo) -> tuple[str, str, str]:
    """Code, message and fix of a value that isn't what was meant."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return "wrong-value", "a name is letters, digits, _ and -, and begins with a letter", ""
    if kind in {"literal_error", "enum"}:
        known = [one.strip("'") for one in str(context["expected"]).replace(" or ", ", ").split(", ")]
        close = nearest(_said(document, path), known)
        message = f"is none of {', '.join(known)}" if len(known) > 1 else f"must be {known[0]}"
        return "wrong-value", message, f"did you mean {close}?" if close else ""
    if kind.endswith(("_type", "_parsing")) and (meant := _MEANT.get(kind.partition("_")[0])):
        found = _sort(document, path)
        return "wrong-type", f"{meant} is meant, and this is {found}", "quote it" if meant == "text" and found in _QUOTABLE else ""
    said = str(context["error"]) if kind == "value_error" else error["msg"]
    message = (said[:1].lower() + said[1:]).removesuffix(".")
    return "wrong-value", message.replace("dictionary", "mapping").replace("input should", "should"), ""


def _at(document: Document, path: PathTo) -> Any:
    value: Any = document.content
    for part in path:
        value = value[part]
    return value


def _said(document: Document, path: PathTo) -> str:
    return str(_at(document, path))


_SORTS: tuple[tuple[Callable[[object], bool], str], ...] = (
    (lambda value: value is None, "empty"),
    (lambda value: isinstance(value, bool), "a boolean"),
    (lambda value: isinstance(value, int | float), "a number"),
    (lambda value: isinstance(value, str), "text"),
    (lambda value: isinstance(value, list), "a list"),
)


def _sort(document: Document, path: PathTo) -> str:
    value = _at(document, path)
    return next((name for holds, name in _SORTS if holds(value)), "a mapping")
