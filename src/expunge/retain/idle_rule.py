"""Where a child's use, its profile and its guardian are to be read: from the policy and what the stores say of themselves. Pure.

One rule per kind of minor. It names collections and fields, never a person. What can't be decided is a problem with the line that mends
it, never a guess: a use that names no child would keep every profile alive, or end them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from expunge.policy.catalog import Catalog, Problem
from expunge.policy.model import Policy
from expunge.policy.ownership import Ownership, Root, Via
from expunge.retain.idle import Lengths


@dataclass(frozen=True, slots=True)
class Use:
    """Records of ``collection`` whose ``time`` is a moment at which the child named by ``child`` used the service."""

    collection: str
    child: str
    time: str


@dataclass(frozen=True, slots=True)
class Guardian:
    """``field`` of the profile's own record holds ``key`` of a record of ``collection``; ``reach`` are (channel, identity, field) of it."""

    kind: str
    field: str
    collection: str
    key: str
    reach: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class IdleRule:
    """How one kind of minor's unused profiles are found, whom to tell, and when they end.

    ``profiles`` is the collection of their own records, ``key`` their key's field, ``made`` when a profile was made, ``own`` times of use
    on that record itself, ``name`` what a letter calls the child by.
    """

    kind: str
    identity: str
    profiles: str
    key: str
    made: str
    own: tuple[str, ...]
    uses: tuple[Use, ...]
    guardian: Guardian | None
    lengths: Lengths
    name: str | None = None


CHANNELS = {"email": "email", "phone": "text", "phone_number": "text", "mobile": "text"}
"""By which channel a letter reaches an identity of this name; of others we don't know."""


def idle_rules(policy: Policy, held: Ownership) -> tuple[list[IdleRule], list[Problem]]:
    """The rules, and what keeps others from being made."""
    children = policy.children
    if children is None:
        return [], []
    rules: list[IdleRule] = []
    problems: list[Problem] = []
    claimed: set[str] = set()
    for kind in policy.catalog.kinds.values():
        root = _own_record(held, kind.name) if kind.minor else None
        if root is None:
            continue
        own, uses = _uses(policy.catalog, held, root, children.used_by)
        claimed |= {f"{root.collection}.{name}" for name in own} | {f"{one.collection}.{one.time}" for one in uses}
        note = policy.catalog.collections[root.collection]
        made = note.captured_at
        if made is None or made not in note.fields:
            problems.append(_problem("no-beginning", root.collection, "doesn't say when a profile was made", "write captured_at: FIELD"))
        elif not own and not uses:
            problems.append(_unused(policy, kind.name))
        else:
            lengths = Lengths(children.idle_after, children.notice, children.erase_within)
            guardian = _guardian(policy.catalog, held, root, kind.guardian)
            name = next((one.name for one in note.fields.values() if any(_is_name(held) for held in one.categories)), None)
            rules.append(IdleRule(kind.name, kind.key, root.collection, root.field, made, own, uses, guardian, lengths, name))
    problems += [_stray(policy, address) for address in children.used_by if address not in claimed]
    return rules, problems


def _own_record(held: Ownership, kind: str) -> Root | None:
    return next((root for root in held.roots.values() if root.kind == kind and root.defines), None)


def _uses(catalog: Catalog, held: Ownership, root: Root, used_by: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Use, ...]]:
    own: list[str] = []
    uses: list[Use] = []
    for address in used_by:
        collection, time = _split(catalog, address)
        child = _child_field(held, root, collection)
        if collection == root.collection:
            own.append(time)
        elif child is not None:
            uses.append(Use(collection, child, time))
    return tuple(own), tuple(uses)


def _child_field(held: Ownership, root: Root, collection: str) -> str | None:
    """The field by which records of a collection name the child themselves."""
    other = held.roots.get(collection)
    if other is not None and other.kind == root.kind:
        return other.field
    ways = (edge for edge in held.into(collection) if edge.via is Via.FROM)
    return next((edge.owned_field for edge in ways if (edge.owner, edge.owner_field) == (root.collection, root.field)), None)


def _guardian(catalog: Catalog, held: Ownership, root: Root, kind: str | None) -> Guardian | None:
    """The reference from a profile to its guardian's own record."""
    theirs = _own_record(held, kind) if kind is not None else None
    if theirs is None or kind is None:
        return None
    note = catalog.collections[theirs.collection]
    reach = tuple(
        (CHANNELS[one.identity], one.identity, one.name)
        for one in note.fields.values()
        if one.identity is not None and one.identity in CHANNELS
    )
    for one in catalog.collections[root.collection].fields.values():
        for reference in one.references:
            if (reference.to, reference.to_field) == (theirs.collection, theirs.field):
                return Guardian(kind, one.name, theirs.collection, theirs.field, reach)
    return None


def _is_name(category: str) -> bool:
    return category == "user.name" or category.startswith("user.name.")


def _split(catalog: Catalog, address: str) -> tuple[str, str]:
    found = max((one for one in catalog.collections if address.startswith(f"{one}.")), key=len)
    return found, address[len(found) + 1 :]


def _unused(policy: Policy, kind: str) -> Problem:
    message = f"doesn't say what counts as use by a {kind}, so no profile could be told from an unused one"
    mark = policy.children.mark if policy.children else None
    return Problem("no-use", "children", message, "write used_by: [store.collection.field, …]", mark)


def _stray(policy: Policy, address: str) -> Problem:
    message = f"{address} is no time of a record that names a minor itself"
    mark = policy.children.mark if policy.children else None
    return Problem("stray-use", "children.used_by", message, "name a collection with a reference to the child's own record", mark)


def _problem(code: str, path: str, message: str, fix: str) -> Problem:
    return Problem(code, path, message, fix)
