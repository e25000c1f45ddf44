"""How a dump of PostgreSQL is recognised, and what its ``COPY`` lines name; imports nothing that may be missing."""

from __future__ import annotations

import re

COPY = re.compile(rb"^COPY (?P<table>[^\n]{1,300}?)(?: \((?P<columns>[^\n]*)\))? FROM stdin;\r?\n", re.MULTILINE)
"""The line before rows."""

_HEADS = (b"-- PostgreSQL database dump", b"-- PostgreSQL database cluster dump")

_LOOKED = 4096
"""Bytes in which a dump's first comment stands, after what a tool may have put before it."""

_NAME = re.compile(r'"((?:[^"]|"")*)"|([^",.\s]+)')


def is_dump(head: bytes, _name: str) -> bool:
    """Whether a stream is a plain dump: by its first comment, or by a ``COPY`` at its beginning."""
    return any(one in head[:_LOOKED] for one in _HEADS) or (b"\nCOPY " in head[:_LOOKED] and COPY.search(head) is not None)


def named(statement: re.Match[bytes]) -> tuple[str, list[str]]:
    """The table (``schema.table``) and columns that a ``COPY`` line names."""
    return ".".join(_names(statement["table"])), _names(statement["columns"] or b"")


def _names(text: bytes) -> list[str]:
    return [quoted.replace('""', '"') or bare for quoted, bare in _NAME.findall(text.decode("utf-8", "surrogateescape"))]
