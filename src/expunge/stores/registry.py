"""Which file opens which kind of store. Each is imported on first use, so that an SDK is needed only by those who use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import cast

from expunge.errors import MissingExtra, UnknownStore
from expunge.stores.base import CollectionLayout, Store, StoreOpener

KINDS: Mapping[str, tuple[str, str]] = {
    # kind: (module, extra that its library comes with)
    "sql": ("expunge.stores.sql", "postgresql"),
    "objects": ("expunge.stores.objects", "s3"),
    "parquet": ("expunge.stores.parquet", "parquet"),
    "delta": ("expunge.stores.delta", "delta"),
    "jsonl": ("expunge.stores.jsonl", "all"),
}


def open_store(kind: str, name: str, options: Mapping[str, object], collections: Sequence[CollectionLayout]) -> Store:
    """Open the store ``name`` of ``kind``.

    Raises:
        UnknownStore: no such kind.
        MissingExtra: its library is not installed.
        Unavailable, Refused: as the store says.
    """
    if kind not in KINDS:
        msg = f"there is no kind of store {kind!r}; there are {', '.join(sorted(KINDS))}"
        raise UnknownStore(msg, where=name)
    module, extra = KINDS[kind]
    try:
        opener = cast("StoreOpener", import_module(module).open_store)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        msg = f"a {kind} store needs {missing.name}: pip install 'expunge[{extra}]'"
        raise MissingExtra(msg, where=name) from None
    return opener(name, options, collections)
