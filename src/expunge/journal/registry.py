"""The subject registry: every person and household gets a dense number that is never reused.

Key pages, bitmaps and the gate count on these numbers. The journal knows a person by digests of their identifiers under the lookup key:
without that key the table says nothing, with it only "is this one in it?".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, bindparam, delete, select, update

from expunge.errors import InvalidRequest
from expunge.journal.database import chunks
from expunge.journal.desk import Desk
from expunge.journal.schema import identifiers as known
from expunge.journal.schema import subjects
from expunge.terms import Identifier

_COUNTER = "subject"


class Registry(Desk):
    """Numbers for people."""

    def register(self, kind: str, people: Sequence[Sequence[Identifier]]) -> list[int]:
        """The numbers of these people, in their order; the new ones get the next free numbers.

        A person's first identifier is the kind's key and says who it is; the further ones are added to what is known of them.

        Raises:
            ValueError: a person without an identifier.
        """
        if not all(people):
            msg = "a person needs at least the kind's key"
            raise ValueError(msg)
        digests = [[self._of(one) for one in person] for person in people]
        keys = list(dict.fromkeys(person[0] for person in digests))
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            numbers = _of_kind(connection, kind, keys)
            fresh = [key for key in keys if key not in numbers]
            if fresh:
                numbers |= self._number(connection, kind, fresh)
            rows = {(digest, numbers[person[0]]): digest == person[0] for person in digests for digest in person}
            self._database.insert_new(
                connection, known, [{"digest": digest, "subject": number, "is_key": is_key} for (digest, number), is_key in rows.items()]
            )
        return [numbers[person[0]] for person in digests]

    def numbers(self, identifiers: Sequence[Identifier]) -> dict[Identifier, int]:
        """The number of each identifier's person; unknown identifiers are absent. A key outranks another's further identifier.

        Raises:
            InvalidRequest: an identifier that several people share, so that it names nobody.
        """
        wanted = {self._of(one): one for one in identifiers}
        with self._database.reading() as connection:
            found = _holders(connection, wanted)
        answer: dict[Identifier, int] = {}
        for digest, (by_key, all_holders) in found.items():
            holders = by_key or all_holders
            if len(holders) > 1:
                msg = f"{len(holders)} people are known by one {wanted[digest].type!r}; name the person by the kind's key"
                raise InvalidRequest(msg)
            answer[wanted[digest]] = holders.pop()
        return answer

    def forget(self, numbers: Collection[int]) -> None:
        """Forget by which identifiers these people are known; the numbers stay taken. Who comes back gets a new number. Idempotent."""
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            for chunk in chunks(numbers):
                connection.execute(delete(known).where(known.c.subject.in_(chunk)))
                gone = [{"one": number, "digest": self._digest("forgotten", str(number))} for number in chunk]
                where = subjects.c.number == bindparam("one")
                connection.execute(update(subjects).where(where).values(key_digest=bindparam("digest")), gone)

    def _of(self, identifier: Identifier) -> bytes:
        return self._digest("identifier", identifier.type, identifier.value)

    def _number(self, connection: Connection, kind: str, fresh: list[bytes]) -> dict[bytes, int]:
        """Give new people their numbers."""
        numbers = dict(zip(fresh, self._database.allocate(connection, _COUNTER, len(fresh)), strict=True))
        rows = [{"number": number, "kind": kind, "key_digest": key} for key, number in numbers.items()]
        connection.execute(subjects.insert(), rows)
        return numbers


def _of_kind(connection: Connection, kind: str, keys: Iterable[bytes]) -> dict[bytes, int]:
    """The numbers of those keys that are known as keys of this kind."""
    numbers: dict[bytes, int] = {}
    for chunk in chunks(keys):
        where = (subjects.c.kind == kind) & subjects.c.key_digest.in_(chunk)
        numbers |= {row.key_digest: row.number for row in connection.execute(select(subjects.c.key_digest, subjects.c.number).where(where))}
    return numbers


def _holders(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, tuple[set[int], set[int]]]:
    """Per digest: who has it as their key, and who has it at all."""
    holders: dict[bytes, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    for chunk in chunks(digests):
        for row in connection.execute(select(known).where(known.c.digest.in_(chunk))):
            by_key, by_any = holders[row.digest]
            by_any.add(row.subject)
            if row.is_key:
                by_key.add(row.subject)
    return holders
