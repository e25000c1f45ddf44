"""What an account of MySQL is proved to see, from ``SHOW GRANTS``: the schema only lists what something was granted on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NAME = r"(\*|`(?:[^`]|``)+`)"
_GRANT = re.compile(rf"GRANT (.+?) ON (?:TABLE )?{_NAME}\.{_NAME} TO ", re.DOTALL)
_REVOKE = re.compile(rf"REVOKE (.+?) ON {_NAME}\.{_NAME} FROM ", re.DOTALL)
_SELECT = re.compile(r"(?:^|, ?)(?:ALL(?: PRIVILEGES)?|SELECT)(?! ?\()(?=,|$)")


@dataclass(frozen=True, slots=True)
class Grants:
    """Where the account may read everything. ``everywhere``: on the whole server, but for the schemas ``revoked``."""

    everywhere: bool
    schemas: tuple[re.Pattern[str], ...]
    tables: frozenset[tuple[str, str]]
    revoked: frozenset[str]

    @classmethod
    def of(cls, lines: Iterable[str]) -> Grants:
        """What the lines of ``SHOW GRANTS`` prove; a line that isn't understood proves nothing."""
        everywhere, schemas, tables, revoked = False, [], set(), set()
        for line in lines:
            if back := _REVOKE.match(line):
                revoked.add(_plain(back[2]))
            found = _GRANT.match(line)
            if not found or not _SELECT.search(found[1]):
                continue
            schema, table = found[2], found[3]
            if schema == "*":
                everywhere = True
            elif table == "*":
                schemas.append(_pattern(_plain(schema)))
            else:
                tables.add((_plain(schema), _plain(table)))
        return cls(everywhere, tuple(schemas), frozenset(tables), frozenset(revoked))

    def server(self) -> bool:
        """Whether no schema can be hidden."""
        return self.everywhere and not self.revoked

    def schema(self, name: str) -> bool:
        """Whether no table of the schema can be hidden."""
        return (self.everywhere and name not in self.revoked) or any(one.fullmatch(name) for one in self.schemas)

    def table(self, schema: str, name: str) -> bool:
        """Whether no column of the table can be hidden."""
        return self.schema(schema) or (schema, name) in self.tables


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _pattern(schema: str) -> re.Pattern[str]:
    r"""A grant on a schema means all that its name matches: ``%`` any letters, ``_`` any one, ``\_`` itself."""
    steps = re.findall(r"\\.|.", schema, re.DOTALL)
    return re.compile("".join({"%": ".*", "_": "."}.get(step) or re.escape(step.removeprefix("\\") or step) for step in steps), re.DOTALL)
