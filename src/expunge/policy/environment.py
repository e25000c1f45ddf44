"""``${NAME}`` and ``${NAME:-default}`` in stores' options, in ``control`` and in the hunt's places, and nowhere else.

A missing variable is named, its value never is. An empty variable counts as missing: absence is never an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from expunge.policy.catalog import Problem
from expunge.policy.reading import Document, PathTo, dotted
from expunge.terms import Json

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_FILLED = frozenset({"stores", "control"})
_AS_WRITTEN = frozenset({"kind", "datasets", "history_clears_in"})  # they belong to the policy's digest


def fill(policy: Document, env: Mapping[str, str]) -> tuple[dict[str, Json], list[Problem]]:
    """The policy's content with its references filled in, and what could not be."""
    filling = _Filling(policy, env)
    content = {key: filling.value(value, (key,)) for key, value in policy.content.items()}
    return content, filling.problems


def _allowed(path: PathTo) -> bool:
    if path[0] == "control" or path[:2] == ("hunt", "places"):
        return True
    return path[0] == "stores" and len(path) > 2 and path[2] not in _AS_WRITTEN  # noqa: PLR2004 - stores, name, option


@dataclass(slots=True)
class _Filling:
    policy: Document
    env: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list["Problem"])

    def value(self, value: Json, path: PathTo) -> Json:
        if isinstance(value, Mapping):
            return {key: self.value(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one, (*path, index)) for index, one in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        if not _allowed(path):
            self._say(
                "environment values are filled in only in stores' options, in control and in the hunt's places",
                path,
                "write the value itself",
            )
            return value
        if "${" in _REFERENCE.sub("", value):
            self._say("a ${…} here is not a reference", path, "write ${NAME} or ${NAME:-default}")
            return value
        return _REFERENCE.sub(lambda found: self._look_up(found, path), value)

    def _look_up(self, found: re.Match[str], path: PathTo) -> str:
        name, default = found[1], found[2]
        held = self.env.get(name) or default
        if held is None:
            self._say(f"the environment variable {name} is not set", path, f"set it, or write ${{{name}:-default}}")
        return held or found[0]

    def _say(self, message: str, path: PathTo, fix: str) -> None:
        self.problems.append(Problem("environment", dotted(path), message, fix, self.policy.mark(path)))
