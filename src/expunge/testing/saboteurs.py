"""All saboteurs, by name. On each store every one that can lie there must break a law; the honest store must break none."""

from __future__ import annotations

from types import ModuleType

from expunge.testing import saboteurs_erase, saboteurs_find
from expunge.testing.sabotage import Sabotaged, Saboteur, breaks

__all__ = ["SABOTEURS", "Sabotaged", "Saboteur", "breaks"]


def _saboteurs(module: ModuleType) -> list[type[Saboteur]]:
    return [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Saboteur) and one.caught_by]


SABOTEURS: tuple[type[Saboteur], ...] = (*_saboteurs(saboteurs_find), *_saboteurs(saboteurs_erase))
"""One lie each."""
