"""Opens a place for the hunt by its address. Each module is imported on first use, so that an SDK is needed only by those who use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from expunge.errors import MissingExtra, UnknownStore
from expunge.stores.base import Scan

OPENERS: Mapping[str, tuple[str, str]] = {
    # scheme: (module, extra that its library comes with)
    "": ("expunge.stores.scan_folder", "hunt"),
    "file": ("expunge.stores.scan_folder", "hunt"),
    "s3": ("expunge.stores.scan_s3", "s3"),
    "sqlite": ("expunge.stores.scan_sqlite", "hunt"),
    "postgresql": ("expunge.stores.scan_postgresql", "postgresql"),
    "postgres": ("expunge.stores.scan_postgresql", "postgresql"),
    "mysql": ("expunge.stores.scan_mysql", "mysql"),
    "mariadb": ("expunge.stores.scan_mysql", "mysql"),
}
NO_OPTIONS: Mapping[str, object] = MappingProxyType({})
_SCHEME = re.compile(r"([a-z][a-z0-9]+)(?:\+[a-z0-9]+)?://", re.IGNORECASE)  # a single letter is a Windows drive


class ScanOpener(Protocol):
    """How the registry opens one kind of place."""

    def __call__(self, address: str, name: str, options: Mapping[str, object]) -> Scan:
        """Open the place; ``name`` is what errors call it."""
        ...


def open_scan(url_or_path: str, *, options: Mapping[str, object] = NO_OPTIONS) -> Scan:
    """Open a place all of which is to be read.

    Addresses: ``postgresql://…`` (a database: all its schemas), ``mysql://…`` (with a database that one, without all), ``sqlite:///path``,
    ``s3://bucket/prefix``, and the path of a folder, a file or a block device, plain or as ``file://``. Options: as the stores of the kind
    have them (``endpoint_url``, ``region``, ``profile``; ``connect_timeout`` in seconds).

    Raises:
        UnknownStore: an address of another kind.
        MissingExtra: its library is not installed.
        PolicyInvalid: the address or an option can't be read.
        Drift, Unavailable, Refused: as the place says; databases are connected at the first call.
    """
    scheme, name = scheme_of(url_or_path), shown(url_or_path)
    if scheme not in OPENERS:
        msg = f"nothing opens {scheme}:// addresses; there are {', '.join(f'{known}://' for known in OPENERS if known)} and paths"
        raise UnknownStore(msg)
    module, extra = OPENERS[scheme]
    try:
        opener = cast("ScanOpener", import_module(module).open_scan)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        msg = f"scanning {scheme or 'files'} needs {missing.name}: pip install 'expunge[{extra}]'"
        raise MissingExtra(msg, where=name) from None
    return opener(unquote(urlsplit(url_or_path).path) if scheme == "file" else url_or_path, name, options)


def scheme_of(url_or_path: str) -> str:
    """The address's scheme without a driver, lower case; empty for a path."""
    found = _SCHEME.match(url_or_path)
    return found[1].lower() if found else ""


def shown(url_or_path: str) -> str:
    """What to call the place: its address without user, password and query, which may hold secrets."""
    scheme = scheme_of(url_or_path)
    if scheme in ("", "file"):
        return unquote(urlsplit(url_or_path).path) if scheme else url_or_path
    if scheme == "s3":
        host, slash, path = url_or_path.split("://", 1)[1].partition("/")
        bucket = host.rpartition("@")[2]
        return f"s3://{bucket}{slash}{path}" if ":" not in bucket else "s3://"  # half a secret, cut at its slash
    if scheme != "sqlite" and url_or_path.count("@") > 1:
        return f"{scheme}://"  # a password that isn't quoted: who can say where it ends
    try:
        url = sa.make_url(url_or_path)
    except (sa.exc.ArgumentError, ValueError):
        return f"{scheme}://"
    return f"{scheme}://{url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}"
