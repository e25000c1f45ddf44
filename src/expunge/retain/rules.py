"""From terms to rules: what of which collection ends, for whom, how long after which time. Pure.

Fields with content are grouped by when they end. What only names a person has no end of its own beside content: it follows its record,
and a record that is only a name, made from another or held by one, follows that one. When all content of a record ends by one clock, the
record goes whole at the last of these ends, and what ends before is nulled. With a record go those that it owns or that were made from it,
unless their own term is longer: then they stay, if nothing but a reference ties them; else the policy is refused. Records of several
kinds of people have several rules; whichever comes first, counts. Where all owners are of one kind, nobody asks for the owner: a record
that has lost its owner ends as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from expunge.policy.catalog import CollectionNote, Problem
from expunge.policy.model import Policy, Term
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.policy.retention import CODE, kinds, split, uncovered, way_to, ways
from expunge.policy.taxonomy import names_only, personal
from expunge.ports import Ending, Join, Where
from expunge.terms import Verb

CAPTURED = "captured_at"


@dataclass(frozen=True, slots=True)
class Rule:
    """What ends ``keep`` after the time at ``where``'s clock: the whole record, or only ``fields``.

    ``own``: it is a person's own record, so that the person goes. ``follows``: it goes because a record of that collection does.
    ``clock`` is the time's address, ``store.collection.field``. ``choice``: households chose so, under that name.
    """

    collection: str
    kind: str
    keep: timedelta
    where: Where
    clock: str
    term: Term
    fields: tuple[str, ...] = ()
    own: bool = False
    follows: str | None = None
    choice: str | None = None

    @property
    def name(self) -> str:
        """The term's name, by which requests and receipts call it; or that of the choice that shortens it."""
        return self.choice or term_name(self.term)

    @property
    def why(self) -> str:
        """The reason, as a plan tells it."""
        told = f"the {self.kind}'s {self.term.category} is kept {self.keep / timedelta(days=1):g} days from {self.clock}"
        return f"{told}; it goes with {self.follows}" if self.follows else told

    def ending(self, at: datetime) -> Ending:
        """What of it has ended at ``at`` (aware)."""
        return Ending(self.name, dated(self.where, at - self.keep), self.fields, self.why)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a policy, and what stands in the way of them; errors must be mended before anything is swept."""

    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that are more than warnings."""
        return tuple(one for one in self.problems if one.severity == "error")


@dataclass(frozen=True, slots=True)
class _End:
    """When some fields end: ``keep`` (``None``: never) after a clock."""

    keep: timedelta | None
    term: Term


def term_name(term: Term) -> str:
    """``kind/category/purpose``."""
    return f"{term.of}/{term.category}/{term.purpose}"


def dated(where: Where, before: datetime) -> Where:
    """The condition with its cut-off."""
    joins = tuple(replace(one, to=dated(one.to, before)) for one in where.joins)
    return replace(where, before=before if where.clock else None, joins=joins)


def make_rules(policy: Policy, held: Ownership, shorter: Mapping[str, timedelta] | None = None) -> Rules:
    """The rules of every collection that somebody owns; ``shorter`` are categories that end so early whatever their term says.

    With ``shorter``, every rule asks for the owner, and takes along whatever hangs on what it ends.
    """
    maker = _Maker(policy, held, shorter or {})
    own = [rule for address in sorted(held.owned) for rule in maker.of(address)]
    whole = {(rule.collection, rule.kind): rule for rule in own if not rule.fields}
    found = [*own, *(one for rule in own if not rule.fields and not rule.own for one in maker.following(rule, whole))]
    maker.problems += _stopped_clocks(policy, own)
    unique = {(rule.where, rule.fields, rule.keep, rule.own): rule for rule in reversed(found)}
    chosen = sorted(unique.values(), key=lambda one: (one.collection, one.keep, one.kind, one.fields, one.follows or ""))
    problems = [*uncovered(policy, held), *maker.problems]
    return Rules(tuple(chosen), tuple(dict.fromkeys(problems)))


class _Maker:
    """Makes the rules of one policy, and collects what is wrong with it."""

    def __init__(self, policy: Policy, held: Ownership, shorter: Mapping[str, timedelta]) -> None:
        """Begin."""
        self.policy = policy
        self.held = held
        self.shorter = shorter
        self.problems: list[Problem] = []

    def of(self, address: str) -> Iterator[Rule]:
        """The collection's own rules, for each kind of subject."""
        note = self.policy.catalog.collections[address]
        if note.verb is Verb.KEEP and (note.keep is None or note.keep.length is None):
            return
        found = list(ways(self.held, address))
        alone = not self.shorter and len({way.kind for way in found}) == 1
        root = self.held.roots.get(address)
        for kind in dict.fromkeys(way.kind for way in found):
            bases = [Where(address)] if alone else _merged([way.where for way in found if way.kind == kind])
            own = root is not None and root.defines and root.kind == kind
            for fields, end in self._ends(note, kind):
                clocked = self._clocked(note, end.term)
                for where in bases if clocked else ():
                    edges, name = clocked or ((), "")
                    clock = f"{edges[-1].owner if edges else address}.{name}"
                    keep = end.keep or timedelta()
                    yield Rule(address, kind, keep, with_clock(where, edges, name), clock, end.term, fields, own and not fields)

    def following(self, rule: Rule, whole: Mapping[tuple[str, str], Rule]) -> Iterator[Rule]:
        """What goes with the records that this rule ends, all the way down."""
        todo, seen = [rule], {rule.collection}
        while todo:
            source = todo.pop()
            for edge in self._hanging(source.collection):
                note = self.policy.catalog.collections[edge.owned]
                if edge.owned in seen or note.verb is Verb.KEEP or rule.kind not in kinds(self.held, edge.owned) or self._root(edge.owned):
                    continue
                if self._outlives(rule, edge, whole):
                    self._refuse_tied(rule, edge)
                    continue
                seen.add(edge.owned)
                where = Where(edge.owned, joins=(Join(edge.owned_field, edge.owner_field, source.where),))
                follower = replace(source, collection=edge.owned, where=where, follows=source.collection)
                yield follower
                if note.verb is Verb.DELETE:
                    todo.append(follower)

    def _root(self, address: str) -> bool:
        root = self.held.roots.get(address)
        return root is not None and root.defines

    def _hanging(self, address: str) -> list[Edge]:
        """Of the references at a collection: those by which it owns, and those of what was made from it. None if its records stay."""
        if self.policy.catalog.collections[address].verb not in (Verb.DELETE, Verb.KEEP):
            return []
        derived = [
            edge
            for edge in self.held.pointers
            if edge.owner == address and address in self.policy.catalog.collections[edge.owned].derived_from
        ]
        return [*(edge for edge in self.held.out_of(address) if edge.via is Via.FROM), *derived]

    def _outlives(self, rule: Rule, edge: Edge, whole: Mapping[tuple[str, str], Rule]) -> bool:
        """Whether what hangs on a record has content that is kept longer for this kind of subject; a chosen end takes all with it."""
        note = self.policy.catalog.collections[edge.owned]
        if self.shorter or not _content(note):
            return False
        theirs = whole.get((edge.owned, rule.kind))
        if theirs is None:
            return True
        return theirs.keep > rule.keep

    def _refuse_tied(self, rule: Rule, edge: Edge) -> None:
        """What outlives the record that owns or dates it would be left without owner and end."""
        note = self.policy.catalog.collections[edge.owned]
        owned = edge in self.held.edges
        dated_by = note.captured_at is not None and split(self.policy.catalog, note.captured_at)[0] == edge.owner
        if not owned and not dated_by:
            return
        tie = "belong to" if owned else "are dated by"
        message = f"records of a {rule.kind} outlive those of {edge.owner} that they {tie} (by {edge.owned_field})"
        fix = f"let terms of the {rule.kind} keep {_contents(note)} no longer than {rule.term.category}, or that one longer"
        self.problems.append(Problem(CODE, edge.owned, message, fix, note.mark))

    def _ends(self, note: CollectionNote, kind: str) -> list[tuple[tuple[str, ...], _End]]:
        """The collection's ends for one kind: fields that go by themselves, and ``()`` for the whole record."""
        content = _content(note)
        if not content and self._follows(note):
            return []
        fields = content or [one.name for one in note.fields.values() if personal(one.categories)]
        ends = {name: end for name in fields if (end := self._end(note, kind, name)) is not None}
        if note.verb is Verb.DECORRELATE and any(end.keep is not None for end in ends.values()):
            message = "its records are decorrelated, not deleted, so that a term would never be done with them"
            self.problems.append(Problem(CODE, note.address, message, "declare `verb: delete` or `verb: redact`", note.mark))
            return []
        groups: dict[tuple[timedelta, str], list[str]] = {}
        for name, end in ends.items():
            if end.keep is not None:
                groups.setdefault((end.keep, end.term.since), []).append(name)
        whole = self._last(note, fields, ends)
        split_off = [key for key in sorted(groups) if key != whole]
        found = [(tuple(groups[key]), ends[groups[key][0]]) for key in split_off]
        return [*found, *([((), ends[groups[whole][0]])] if whole is not None else [])]

    def _last(self, note: CollectionNote, fields: list[str], ends: Mapping[str, _End]) -> tuple[timedelta, str] | None:
        """At which end the record goes whole; ``None`` if some content never ends, or by another clock."""
        found = [(end.keep, end.term.since) for end in ends.values() if end.keep is not None]
        if not found or len(found) < len(fields):
            return None
        if len({since for _, since in found}) > 1:
            message = "its terms count from different times, so each field goes at its own, and what names the person stays in the record"
            self.problems.append(Problem(CODE, note.address, message, "let them count from one time", note.mark, "warning"))
            return None
        return max(found)

    def _end(self, note: CollectionNote, kind: str, name: str) -> _End | None:
        """When a field ends for a kind of subject: at the first of its categories' ends."""
        found = []
        for category in personal(note.fields[name].categories):
            term = self.policy.term_for(kind, category)
            if term is not None:
                kept = [one for one in (term.keep, self._chosen(category)) if one is not None]
                found.append(_End(min(kept, default=None), term))
        end = min(found, key=lambda one: one.keep if one.keep is not None else timedelta.max, default=None)
        if end is not None and end.keep is not None and note.verb is Verb.KEEP and note.keep is not None and note.keep.length is not None:
            return replace(end, keep=max(end.keep, note.keep.length))
        return end

    def _chosen(self, category: str) -> timedelta | None:
        return min((keep for name, keep in self.shorter.items() if category == name or category.startswith(f"{name}.")), default=None)

    def _follows(self, note: CollectionNote) -> bool:
        """Whether a record that is only a name goes with another: one that it was made from or that owns it, a person's own aside."""
        return any(edge.owner in note.derived_from or not self._root(edge.owner) for edge in self._up(note.address))

    def _up(self, address: str) -> list[Edge]:
        derived = self.policy.catalog.collections[address].derived_from
        pointers = [edge for edge in self.held.pointers if edge.owned == address and edge.owner in derived]
        return [*(edge for edge in self.held.into(address) if edge.via is Via.FROM), *pointers]

    def _clocked(self, note: CollectionNote, term: Term) -> tuple[tuple[Edge, ...], str] | None:
        """The references that lead from a record to its time, and the time's field; a problem if nothing does."""
        named = note.captured_at if term.since == CAPTURED else term.since
        if named is not None and named in note.fields and term.since == CAPTURED:
            return (), named
        if named is None or named == "never":
            message = f"holds {term.category} of a {term.of}, which ends, and nothing says when a record was captured"
            fix = "add `captured_at: FIELD` to its meta.expunge, or let the term count `from:` another time"
            self.problems.append(Problem(CODE, note.address, message, fix, note.mark))
            return None
        goal, name = split(self.policy.catalog, named)
        edges = way_to(self.held, note.address, goal)
        if edges is None:
            message = f"{term.category} of a {term.of} counts from {named}, and no reference leads there"
            self.problems.append(Problem(CODE, note.address, message, f"add a reference to {goal}", note.mark))
            return None
        return edges, name


def _content(note: CollectionNote) -> list[str]:
    """The fields that say something about a person, beyond which person it is."""
    return [one.name for one in note.fields.values() if any(not names_only(category) for category in personal(one.categories))]


def _contents(note: CollectionNote) -> str:
    held = {one for name in _content(note) for one in personal(note.fields[name].categories) if not names_only(one)}
    return ", ".join(sorted(held))


def _merged(found: list[Where]) -> list[Where]:
    """Ways that ask only for an owner's field are one: any of these fields."""
    direct = [where for where in found if not where.joins]
    owners = frozenset(name for where in direct for name in where.owners)
    return [*([replace(direct[0], owners=owners)] if direct else []), *dict.fromkeys(where for where in found if where.joins)]


def with_clock(where: Where, edges: tuple[Edge, ...], name: str, before: datetime | None = None) -> Where:
    """The condition with a clock at the end of a chain of references, sharing what of the chain is there already."""
    if not edges:
        return replace(where, clock=name, before=before)
    first, rest = edges[0], edges[1:]
    for place, join in enumerate(where.joins):
        if (join.field, join.to_field, join.to.collection) == (first.owned_field, first.owner_field, first.owner):
            deeper = replace(join, to=with_clock(join.to, rest, name, before))
            return replace(where, joins=(*where.joins[:place], deeper, *where.joins[place + 1 :]))
    far = with_clock(Where(first.owner), rest, name, before)
    return replace(where, joins=(*where.joins, Join(first.owned_field, first.owner_field, far)))


def _stopped_clocks(policy: Policy, rules: list[Rule]) -> Iterator[Problem]:
    """A time that is nulled before what counts from it has ended: the rest would never end."""
    for rule in rules:
        for name in rule.fields:
            address = f"{rule.collection}.{name}"
            if any(other.clock == address and other is not rule for other in rules):
                message = f"is nulled after {rule.keep / timedelta(days=1):g} days, and other terms count from it"
                fix = f"let {rule.term.category} of the {rule.kind} be kept as long as what counts from this time"
                note = policy.catalog.collections[rule.collection]
                yield Problem(CODE, address, message, fix, note.fields[name].mark or note.mark)
