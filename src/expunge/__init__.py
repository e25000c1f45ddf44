"""Expunge: erase a person from every store, and prove it to a stranger.

``expunge.open("expunge.yaml")`` gives the library; the command line says the same words. Everything else is imported from its room, so
that checking a receipt needs nothing but ``expunge.evidence``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expunge.app.library import Expunge as Expunge
    from expunge.app.opening import open_policy as open  # noqa: A004  # the library's first word, used as expunge.open

__all__ = ["Expunge", "open"]


def __getattr__(name: str) -> object:
    """Load the library when it is first asked for."""
    if name == "open":
        from expunge.app.opening import open_policy  # noqa: PLC0415  # see the module's docstring

        return open_policy
    if name == "Expunge":
        from expunge.app.library import Expunge  # noqa: PLC0415  # see the module's docstring

        return Expunge
    raise AttributeError(name)
