"""What a household chose to keep for less than the policy's term: chosen, taken back, and turned into rules for the next sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from expunge.app.retaining import Terms, terms
from expunge.erase.context import Rooms
from expunge.erase.subjects import parse_subject, resolve
from expunge.errors import InvalidRequest, UnknownSubject
from expunge.journal.choices import Choice
from expunge.policy.retention_model import Retention
from expunge.policy.taxonomy import default_categories
from expunge.policy.wording import advise
from expunge.retain.choices import narrowed, shortened
from expunge.retain.rules import Rule
from expunge.stores.values import spelled
from expunge.terms import Selector, Value


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a choice does: the rules that it makes, by collection and kind of subject."""

    category: str
    keep: timedelta
    rules: tuple[Rule, ...]


def choose(rooms: Rooms, subject: str, category: str, keep: timedelta, *, by: str) -> Chosen:
    """Let a household keep a category for less than the policy's term, from the next sweep on.

    Raises:
        InvalidRequest: not a household, not one of the policy's choices, not a category of theirs, or not shorter than any term.
        UnknownSubject: no store knows the household.
        PolicyError, StoreError: as ``terms``.
    """
    held = terms(rooms)
    _offered(rooms, keep)
    known = default_categories() | set(rooms.policy.categories)
    if category not in known:
        raise InvalidRequest(f"the policy has no data category {category!r}; {advise(category, known)}")
    rules = shortened(rooms.policy, held.sight.held, {category: keep})
    if not rules:
        raise InvalidRequest(f"no term of {category} is longer than {_days(keep)}: a choice can only shorten; {_lengths(rooms, category)}")
    number, key = _household(rooms, held, subject)
    rooms.keys.make("subject", [number])
    rooms.journal.choose(number, category, keep, key, by)
    return Chosen(category, keep, rules)


def unchoose(rooms: Rooms, subject: str, category: str) -> bool:
    """Go back to the policy's term; whether there was a choice.

    Raises:
        InvalidRequest, UnknownSubject, PolicyError, StoreError: as ``choose``.
    """
    number, _ = _household(rooms, terms(rooms), subject)
    return rooms.journal.unchoose(number, category)


def chosen_rules(rooms: Rooms, held: Terms) -> list[Rule]:
    """The rules that households' choices make, set-wise: households that chose the same are one.

    Raises:
        StoreError: as the stores say.
    """
    groups: dict[frozenset[tuple[str, timedelta]], list[str]] = {}
    for mapping, keys in _grouped(rooms.journal.choices()):
        groups.setdefault(frozenset(mapping.items()), []).append(keys)
    return [rule for chosen, keys in groups.items() for rule in _rules_for(rooms, held, dict(chosen), keys)]


def _grouped(choices: Sequence[Choice]) -> Iterator[tuple[Mapping[str, timedelta], str]]:
    """Per household what it chose, and its key; those whose key is hidden are being erased anyway."""
    by_household: dict[int, dict[str, timedelta]] = {}
    keys = {one.subject: one.key for one in choices if one.key is not None}
    for one in choices:
        if one.subject in keys:
            by_household.setdefault(one.subject, {})[one.category] = one.keep
    for subject, mapping in by_household.items():
        yield mapping, str(keys[subject])


def _rules_for(rooms: Rooms, held: Terms, shorter: Mapping[str, timedelta], households: Sequence[str]) -> Iterator[Rule]:
    keys: dict[str, frozenset[Value]] = {}
    for rule in shortened(rooms.policy, held.sight.held, shorter):
        if rule.kind not in keys:
            keys[rule.kind] = _keys_of(rooms, held, rule.kind, spelled(households))
        if keys[rule.kind]:
            yield from narrowed(held.sight.held, rule, keys[rule.kind])


def _keys_of(rooms: Rooms, held: Terms, kind: str, households: frozenset[Value]) -> frozenset[Value]:
    """The keys of everybody of a kind in these households; the households' own for their kind."""
    if rooms.policy.catalog.kinds[kind].member_of is None:
        return households
    found: set[Value] = set()
    for edge in held.sight.held.memberships.get(kind, ()):
        root = held.sight.held.roots[edge.owned]
        note = rooms.policy.catalog.collections[edge.owned]
        for batch in rooms.stores[note.store].locate(Selector(note.name, {edge.owned_field: households}), (root.field,)):
            found |= {value for value in batch.carried[root.field] if value is not None}
    return frozenset(found)


def _household(rooms: Rooms, held: Terms, subject: str) -> tuple[int, str]:
    """The household's number in the registry, and its key.

    Raises:
        InvalidRequest, UnknownSubject, StoreError: as ``choose``.
    """
    catalog = rooms.policy.catalog
    ref = parse_subject(subject, catalog)
    if catalog.kinds[ref.kind].member_of is not None:
        raise InvalidRequest(f"a choice is a household's: name the {catalog.kinds[ref.kind].member_of}, not the {ref.kind}")
    people = resolve(catalog, held.sight.held, rooms.stores, [ref])
    mine = next((one for one in people.people if one.kind == ref.kind), None)
    if mine is None:
        raise UnknownSubject("no listed store has a record of this household")
    return rooms.journal.register(ref.kind, [mine.identifiers])[0], mine.key


def _offered(rooms: Rooms, keep: timedelta) -> None:
    offered = (rooms.policy.retention or Retention()).choices
    if keep not in offered:
        told = ", ".join(map(_days, offered)) or "none: add `choices` to the policy's retention"
        raise InvalidRequest(f"{_days(keep)} is none of the policy's choices, which are {told}")


def _lengths(rooms: Rooms, category: str) -> str:
    told = [
        f"{term.of}: {'indefinitely' if term.keep is None else _days(term.keep)}"
        for term in rooms.policy.terms
        if term.category.startswith(category) or term.covers(term.of, category)
    ]
    return f"the policy keeps it for {', '.join(told)}" if told else "the policy has no term of it"


def _days(keep: timedelta) -> str:
    return f"{keep / timedelta(days=1):g} days" if keep else "immediately"
