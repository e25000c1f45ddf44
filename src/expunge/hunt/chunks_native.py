"""Loads the modules that need a compiler, on first use, so that a hunt without the extra fails with one clear sentence."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from expunge.errors import MissingExtra


def kernel(name: str) -> ModuleType:
    """The kernel module ``expunge.hunt.<name>``.

    Raises:
        MissingExtra: numba is not installed.
    """
    try:
        return import_module(f"expunge.hunt.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        msg = f"hunting by content needs {missing.name}: pip install 'expunge[hunt]'"
        raise MissingExtra(msg, where="hunt") from None
