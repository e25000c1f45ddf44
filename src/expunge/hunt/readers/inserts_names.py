"""How dumps of ``INSERT`` statements are recognised, and what the statements name; imports nothing that may be missing."""

from __future__ import annotations

import re

_NAME = rb"""(?:`[^`\n]{1,128}`|"[^"\n]{1,128}"|\[[^\]\n]{1,128}\]|[A-Za-z_\x80-\xff][\w$\x80-\xff]{0,127})"""
_TABLE = rb"(?:" + _NAME + rb"\s?\.\s?){0,2}" + _NAME

STATEMENT = re.compile(
    rb"(?:\b(?:INSERT|REPLACE|insert|replace)\s+(?:(?!INTO)[A-Za-z_]+\s+){0,3}(?:INTO|into)\s+(?P<table>" + _TABLE + rb")"
    rb"\s{0,8}(?:\((?P<columns>[^()]{1,60000})\)\s{0,8})?(?:OVERRIDING\s[A-Z ]{1,20}VALUE\s)?(?P<values>VALUES|values)(?=[\s(]))"
    rb"|(?:\b(?:CREATE|create)\s(?:[A-Za-z]+\s){0,3}(?:TABLE|table)\s+(?:(?:IF NOT EXISTS|if not exists)\s+)?(?P<created>"
    + _TABLE
    + rb")\s{0,8}\()"
)
"""The head of a statement that names columns: up to the rows, or up to the definitions."""

CREATE = re.compile(rb"\b(?:CREATE|create)\s")
"""Where, at the latest, the definitions of the table before have ended."""

_BEGINS = (b"-- MySQL dump", b"-- MariaDB dump", b"/*M!999999", b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;")
"""Of mysqldump, mariadb-dump, and SQLite's shell."""

_FIRST = re.compile(rb"\s*(" + _NAME + rb")\s")
_NO_COLUMN = frozenset(
    (b"PRIMARY", b"KEY", b"UNIQUE", b"CONSTRAINT", b"INDEX", b"FULLTEXT", b"SPATIAL", b"FOREIGN", b"CHECK", b"EXCLUDE", b"LIKE", b"PERIOD")
)


def is_inserts(head: bytes, name: str) -> bool:
    """Whether a stream is text with such a statement in its beginning, at the beginning of a line, or begins as their dumps do."""
    if b"\0" in head or b"\nCOPY " in head:
        return False
    if head.startswith(_BEGINS) or (name.endswith(".sql") and b"CREATE TABLE " in head):
        return True
    if not (b"INSERT" in head or b"REPLACE" in head or b"insert" in head or b"replace" in head):
        return False
    return any(
        found["values"] is not None and (found.start() == 0 or head[found.start() - 1 : found.start()] in (b"\n", b"\r"))
        for found in STATEMENT.finditer(head)
    )


def names_in(text: bytes) -> list[str]:
    """The names in a list, or the parts of a dotted one, without their quotes."""
    return [one.strip(b'`"[]').decode("utf-8", "surrogateescape") for one in re.findall(_NAME, text)]


def columns_of(definitions: bytes) -> list[str]:
    """The columns of a ``CREATE TABLE``, from behind its bracket: the first word of each definition that is one."""
    found = list[str]()
    for definition in _parts(definitions):
        first = _FIRST.match(definition + b" ")
        if first is not None and first[1].upper() not in _NO_COLUMN:
            found += names_in(first[1])
    return found


def _parts(text: bytes) -> list[bytes]:
    """What stands between the commas of a bracket, brackets and quotes inside it passed over, up to where it closes."""
    parts, deep, begin = list[bytes](), 0, 0
    for mark in re.finditer(rb"'(?:[^'\\]|\\.|'')*'|[(),]", text):
        one = mark.group()
        if one == b"(":
            deep += 1
        elif (one == b"," and not deep) or (one == b")" and not deep):
            parts.append(text[begin : mark.start()])
            begin = mark.end()
            if one == b")":
                break
        deep -= one == b")"
    return parts
