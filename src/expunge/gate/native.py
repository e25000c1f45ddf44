"""Loads the modules that need the extra's libraries, on first use, so that a job without them fails with one clear sentence."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from expunge.errors import MissingExtra


def native(name: str) -> ModuleType:
    """The module ``expunge.gate.<name>``.

    Raises:
        MissingExtra: a library of the extra is not installed.
    """
    try:
        return import_module(f"expunge.gate.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        raise MissingExtra(f"the training gate needs {missing.name}: pip install 'expunge[gate]'", where="gate") from None
