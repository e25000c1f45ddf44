"""Which of the records that have come to their term a hold keeps: those in its scope, and what these refer to."""

from __future__ import annotations

from expunge.erase.held import Held
from expunge.stores.values import key_text
from expunge.terms import Located


def fields_asked(under: Held, address: str) -> tuple[str, ...]:
    """What has to be carried along with a collection's records to know whether a held record refers to them."""
    return tuple(sorted(name for collection, name in under.referred if collection == address))


def held_in(under: Held, address: str, batch: Located) -> frozenset[str]:
    """The addresses of a batch's records that a hold keeps; the batch carries ``fields_asked``."""
    records = under.records.get(address, {})
    kept = {one for one in batch.addresses if one in records} if records else set[str]()
    for name in fields_asked(under, address):
        wanted = under.referred[address, name]
        column = batch.carried[name]
        kept |= {batch.addresses[place] for place, value in enumerate(column) if value is not None and key_text(value) in wanted}
    return frozenset(kept)


def without(batch: Located, held: frozenset[str]) -> Located:
    """The batch without these records."""
    if not held:
        return batch
    kept = [place for place, address in enumerate(batch.addresses) if address not in held]
    carried = {name: tuple(values[place] for place in kept) for name, values in batch.carried.items()}
    return Located(tuple(batch.addresses[place] for place in kept), carried)
