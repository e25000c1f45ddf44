"""The plan of a sweep: what ends by its term, in the order in which the stores can take it. Pure.

It differs from the plan for people in where it begins: not at everything that somebody owns, but at collections in which something ends.
Which references have to be cut first, and what goes before what, is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from expunge.erase.plan import Act, Plan, ordered, whole_act
from expunge.policy.catalog import Catalog, CollectionNote
from expunge.policy.ownership import Ownership
from expunge.ports import Ending, Where
from expunge.terms import Json, Method, Scope, Shape, Verb


def sweep_plan(
    catalog: Catalog, held: Ownership, shapes: Mapping[str, Sequence[Shape]], endings: Sequence[Ending], policy_digest: str
) -> Plan:
    """Order the acts; the same endings, shapes and policy give the same bytes."""
    live = {f"{store}.{shape.name}": shape for store, found in shapes.items() for shape in found}
    whole: dict[str, Act] = {}
    partial: dict[tuple[str, tuple[str, ...]], Act] = {}
    for one in endings:
        address = one.where.collection
        if one.fields:
            partial.setdefault((address, one.fields), _fields_act(address, one, len(partial)))
        else:
            whole.setdefault(address, _ended(catalog, held, catalog.collections[address], one.why))
    acts = ordered(catalog, held, live, whole, partial.values(), ())
    told: Json = [told_ending(one) for one in endings]
    return Plan(policy_digest, Scope(), acts, frozenset(), {}, told)


def act_of(plan: Plan, ending: Ending) -> Act:
    """The act that does what an ending says."""
    what = "fields" if ending.fields else "erase"
    return next(
        act for act in plan.acts_on(ending.where.collection) if act.what == what and (not ending.fields or act.fields == ending.fields)
    )


def told_ending(ending: Ending) -> Json:
    """An ending for the plan's bytes: names and times; values of people as a count."""
    return {"term": ending.term, "fields": list(ending.fields), "why": ending.why, "where": _told(ending.where)}


def _told(where: Where) -> Json:
    return {
        "collection": where.collection,
        "clock": where.clock,
        "before": where.before.isoformat() if where.before else None,
        "owners": sorted(where.owners),
        "only": len(where.only[1]) if where.only else None,
        "joins": [{"field": one.field, "to_field": one.to_field, "to": _told(one.to)} for one in where.joins],
    }


def _ended(catalog: Catalog, held: Ownership, note: CollectionNote, why: str) -> Act:
    """What is done to a record whose end has come. One that was kept on a basis of its own is deleted when that has run out too."""
    if note.verb is Verb.KEEP:
        return Act(f"erase:{note.address}", 0, "erase", note.address, Method.DELETE, reason=why)
    return whole_act(catalog, held, note, why)


def _fields_act(address: str, ending: Ending, number: int) -> Act:
    return Act(f"fields:{address}+{number}", 0, "fields", address, Method.REDACT, ending.fields, reason=ending.why)
