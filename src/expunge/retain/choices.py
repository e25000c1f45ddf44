"""What a household's choice changes: the rules that it makes earlier, asked for that household's people only. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import product

from expunge.policy.model import Policy
from expunge.policy.ownership import Ownership
from expunge.ports import Join, Where
from expunge.retain.rules import Rule, make_rules
from expunge.terms import Value


def shortened(policy: Policy, held: Ownership, shorter: Mapping[str, timedelta]) -> tuple[Rule, ...]:
    """The rules that differ from the policy's when these categories end so early; a person's own record is never among them.

    Every one of them asks for the owner; ``narrowed`` says whose.
    """
    usual: dict[tuple[object, ...], timedelta] = {}
    for rule in make_rules(policy, held).rules:
        same = (rule.collection, rule.kind, rule.fields, rule.clock)
        usual[same] = min(rule.keep, usual.get(same, timedelta.max))
    found = [
        replace(rule, choice=f"chosen/{rule.term.category}/{_days(rule.keep)}")
        for rule in make_rules(policy, held, shorter).rules
        if not rule.own and rule.keep < usual.get((rule.collection, rule.kind, rule.fields, rule.clock), timedelta.max)
    ]
    return tuple(found)


def narrowed(held: Ownership, rule: Rule, keys: frozenset[Value]) -> Iterator[Rule]:
    """The rule for people with these keys of its kind, once for each field that can name them."""
    for where in _narrowed(held, rule.where, rule.kind, keys):
        yield replace(rule, where=where)


def _narrowed(held: Ownership, where: Where, kind: str, keys: frozenset[Value]) -> Iterator[Where]:
    """The same condition for each field by which a record names its owner, with the owners' keys in place of "somebody"."""
    below = [[replace(join, to=one) for one in _narrowed(held, join.to, kind, keys)] for join in where.joins]
    for joins in product(*below):
        if not where.owners:
            yield replace(where, joins=tuple(joins))
        for name in sorted(where.owners):
            yield _named(held, replace(where, owners=frozenset(), joins=tuple(joins)), name, kind, keys)


def _named(held: Ownership, where: Where, name: str, kind: str, keys: frozenset[Value]) -> Where:
    """By the key itself where the field holds it, else by the owner's own record."""
    for edge in held.into(where.collection):
        root = held.roots.get(edge.owner)
        if edge.owned_field == name and root is not None and root.kind == kind and edge.owner_field != root.field:
            own = Where(edge.owner, only=(root.field, keys))
            return replace(where, joins=(*where.joins, Join(name, edge.owner_field, own)))
    return replace(where, only=(name, keys))


def _days(keep: timedelta) -> str:
    return f"{keep / timedelta(days=1):g} days"
