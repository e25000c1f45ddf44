"""Lies about what was erased, when, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from expunge.errors import Conflict, StoreError
from expunge.stores.base import Store
from expunge.terms import Located, Method, Reclaimed, Residue, Selector, Step, text_of
from expunge.testing.harness import Row
from expunge.testing.sabotage import Sabotaged, Saboteur


class Forgetful(Saboteur):
    """Leaves every third record and counts it as done."""

    caught_by = ("delete_removes_all_and_only_these",)

    def erase(self, step: Step) -> Iterator[int]:
        """Two of three."""
        kept = tuple(address for place, address in enumerate(step.addresses, 1) if place % 3)
        yield from self.honest.erase(replace(step, addresses=kept))
        yield len(step.addresses) - len(kept)


class Partial(Saboteur):
    """Stops after the first batch."""

    caught_by = ("many_records_take_several_batches",)

    def erase(self, step: Step) -> Iterator[int]:
        """One batch."""
        return islice(self.honest.erase(step), 1)


class Hasty(Saboteur):
    """Does everything in one go, so that nothing can be stopped or journalled in between."""

    caught_by = ("many_records_take_several_batches",)

    def erase(self, step: Step) -> Iterator[int]:
        """One yield."""
        yield sum(self.honest.erase(step))


class Greedy(Saboteur):
    """Erases a neighbour too."""

    caught_by = ("delete_removes_all_and_only_these",)

    def erase(self, step: Step) -> Iterator[int]:
        """Those asked for, and one more."""
        others = [address for batch in self.everything() for address in batch.addresses if address not in step.addresses]
        for _ in self.honest.erase(replace(step, addresses=tuple(others[:1]), selector=self.anybody())):
            pass
        yield from self.honest.erase(step)


class Sweeper(Saboteur):
    """Erases what the selector matches, whatever is addressed: held records go too."""

    caught_by = ("delete_goes_by_addresses",)

    def erase(self, step: Step) -> Iterator[int]:
        """All that match."""
        matching = tuple(address for batch in self.honest.locate(replace(step.selector, minus=frozenset())) for address in batch.addresses)
        for _ in self.honest.erase(replace(step, addresses=matching)):
            pass
        yield len(step.addresses)


class Positional(Saboteur):
    """Addresses a record by its place in the collection, which moves when a neighbour goes."""

    caught_by = ("addresses_outlive_their_neighbours", "delete_stops_at_any_batch_and_resumes")

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Places instead of addresses."""
        order = {address: str(place) for place, address in enumerate(self._order())}
        held = frozenset(address for address, place in order.items() if place in selector.minus)
        for batch in self.honest.locate(replace(selector, minus=held), carry):
            yield Located(tuple(order[address] for address in batch.addresses), batch.carried)

    def erase(self, step: Step) -> Iterator[int]:
        """What is at these places now."""
        order = dict(enumerate(self._order()))
        chosen = tuple(order[int(place)] for place in step.addresses if int(place) in order)
        yield from self.honest.erase(replace(step, addresses=chosen, selector=replace(step.selector, minus=frozenset())))
        yield len(step.addresses) - len(chosen)

    def _order(self) -> list[str]:
        return [address for batch in self.everything() for address in batch.addresses]


class Optimist(Saboteur):
    """Announces a batch, then does it."""

    caught_by = ("nothing_is_announced_before_it_is_durable", "delete_stops_at_any_batch_and_resumes")

    def erase(self, step: Step) -> Iterator[int]:
        """The count first."""
        half = len(step.addresses) // 2
        for part in (step.addresses[:half], step.addresses[half:]):
            yield len(part)
            for _ in self.honest.erase(replace(step, addresses=part)):
                pass


class Early(Saboteur):
    """Announces everything with the first batch."""

    caught_by = ("nothing_is_announced_before_it_is_durable",)

    def erase(self, step: Step) -> Iterator[int]:
        """All, then nothing."""
        for place, _ in enumerate(self.honest.erase(step)):
            yield 0 if place else len(step.addresses)


class Braggart(Saboteur):
    """Announces more than there was."""

    caught_by = ("delete_removes_all_and_only_these",)

    def erase(self, step: Step) -> Iterator[int]:
        """One more."""
        yield from self.honest.erase(step)
        yield 1


class Bookkeeper(Saboteur):
    """Remembers how far it came, and takes a tail for the whole."""

    caught_by = ("delete_stops_at_any_batch_and_resumes",)

    def erase(self, step: Step) -> Iterator[int]:
        """From where it stopped, counted from the front."""
        begin = len(self.harness.ledger)
        yield min(begin, len(step.addresses))
        for count in self.honest.erase(replace(step, addresses=step.addresses[begin:])):
            self.harness.ledger.extend([""] * count)
            yield count


class Impatient(Saboteur):
    """Takes an address that is gone for a fault."""

    caught_by = ("delete_twice_is_once",)

    def erase(self, step: Step) -> Iterator[int]:
        """A conflict."""
        if not self._live().issuperset(step.addresses):
            raise Conflict("a record is gone")
        yield from self.honest.erase(step)

    def _live(self) -> set[str]:
        return {address for batch in self.everything() for address in batch.addresses}


class Miscounter(Impatient):
    """Counts what it erased instead of what is done."""

    caught_by = ("delete_twice_is_once",)

    def erase(self, step: Step) -> Iterator[int]:
        """Without those that were gone."""
        live = self._live()
        return self.honest.erase(replace(step, addresses=tuple(address for address in step.addresses if address in live)))


class HalfRedactor(Saboteur):
    """Nulls the first of several fields."""

    caught_by = ("redact_nulls_the_fields_and_keeps_the_record",)

    def erase(self, step: Step) -> Iterator[int]:
        """One field."""
        return self.honest.erase(replace(step, fields=step.fields[:1]))


class Overredactor(Saboteur):
    """Nulls every field that may be null."""

    caught_by = ("redact_of_one_field_keeps_the_other",)

    def erase(self, step: Step) -> Iterator[int]:
        """All fields."""
        names = self.harness.fields
        fields = (names["body"], names["number"]) if step.method is Method.REDACT else ()
        return self.honest.erase(replace(step, fields=fields))


class Shredder(Saboteur):
    """Deletes what it should redact."""

    caught_by = ("redact_nulls_the_fields_and_keeps_the_record",)

    def erase(self, step: Step) -> Iterator[int]:
        """The record."""
        return self.honest.erase(replace(step, method=Method.DELETE, fields=(), repoint={}))


class Idler(Saboteur):
    """Leaves the person's key where it should re-point."""

    caught_by = ("decorrelate_repoints",)

    def erase(self, step: Step) -> Iterator[int]:
        """Nothing."""
        return iter([len(step.addresses)]) if step.method is Method.DECORRELATE else self.honest.erase(step)


class Repointer(Saboteur):
    """Re-points, and leaves what the same step should null."""

    caught_by = ("decorrelate_nulls_along_with_it",)

    def erase(self, step: Step) -> Iterator[int]:
        """No field is nulled."""
        return self.honest.erase(replace(step, fields=()) if step.method is Method.DECORRELATE else step)


class Resurrector(Saboteur):
    """Writes back what it remembers, as a cache or a restored replica does."""

    caught_by = ("delete_removes_all_and_only_these",)

    def __init__(self, honest: Store, harness: Sabotaged) -> None:
        """Remember nothing yet."""
        super().__init__(honest, harness)
        self.remembered: list[Row] = []

    def erase(self, step: Step) -> Iterator[int]:
        """Honestly, for now."""
        self.remembered = self.harness.dump()
        yield from self.honest.erase(step)

    def close(self) -> None:
        """All back."""
        super().close()
        if self.remembered:
            self.harness.seed(self.remembered)


class Hoarder(Saboteur):
    """Keeps the history and says that it reclaimed it."""

    caught_by = ("deleted_bytes_are_told_then_gone", "buried_bytes_are_told_then_gone")

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Words."""
        self.honest.describe()
        return Reclaimed(f"reclaimed {selector.collection}")

    def verify(self, selector: Selector) -> Residue:
        """No history."""
        return replace(self.honest.verify(selector), history=0)


class Denier(Saboteur):
    """Has a history until it is reclaimed, and does not tell."""

    caught_by = ("deleted_bytes_are_told_then_gone", "redacted_bytes_are_told_then_gone", "buried_bytes_are_told_then_gone")

    def verify(self, selector: Selector) -> Residue:
        """No history."""
        return replace(self.honest.verify(selector), history=0, note="")


class Scribe(Saboteur):
    """Notes on the medium whom it erased, as a commit's predicate does."""

    caught_by = ("deleted_bytes_are_told_then_gone",)

    def erase(self, step: Step) -> Iterator[int]:
        """With a note."""
        self.harness.ledger.extend(text_of(value) for values in step.selector.any_of.values() for value in values)
        return self.honest.erase(step)


class Scorcher(Saboteur):
    """Reclaims the living with the dead."""

    caught_by = ("reclaim_spares_the_living",)

    def reclaim(self, selector: Selector) -> Reclaimed:
        """All that match."""
        found = tuple(address for batch in self.honest.locate(selector) for address in batch.addresses)
        for _ in self.honest.erase(Step(selector.collection, Method.DELETE, selector, found)):
            pass
        return self.honest.reclaim(selector)


class Silencer(Saboteur):
    """Takes any fault of a step for its end."""

    caught_by = ("an_outage_in_the_middle_loses_nothing",)

    def erase(self, step: Step) -> Iterator[int]:
        """As far as it goes."""
        try:
            yield from self.honest.erase(step)
        except StoreError:
            return
