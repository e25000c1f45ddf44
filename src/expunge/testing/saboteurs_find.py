"""Lies about what there is, whose it is and what is left."""

from __future__ import annotations

import fnmatch
import logging
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from expunge.errors import Drift, StoreError, Unavailable, UnknownStore
from expunge.terms import Located, Reclaimed, Residue, Selector, Span, Step, Value, text_of
from expunge.testing.sabotage import Saboteur

log = logging.getLogger(__name__)

NOTHING = Residue(0, 0)


class Blind(Saboteur):
    """Overlooks the last record of each batch."""

    caught_by = ("locate_finds_the_subject_and_nobody_else",)

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """All but the last."""
        for batch in self.honest.locate(selector, carry):
            yield Located(batch.addresses[:-1], {name: column[:-1] for name, column in batch.carried.items()})


class Double(Saboteur):
    """Names the first record twice."""

    caught_by = ("locate_is_alike_twice",)

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """The first batch twice."""
        for place, batch in enumerate(self.honest.locate(selector, carry)):
            yield batch
            if not place:
                yield batch


class Unsteady(Saboteur):
    """Gives every second answer in reverse."""

    caught_by = ("locate_is_alike_twice",)

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Forward, then backward."""
        self.harness.ledger.append("")
        for batch in self.honest.locate(selector, carry):
            turned = Located(batch.addresses[::-1], {name: column[::-1] for name, column in batch.carried.items()})
            yield batch if len(self.harness.ledger) % 2 else turned


class Shuffler(Saboteur):
    """Carries the values of other records along."""

    caught_by = ("delete_goes_by_addresses",)

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Columns in reverse beside addresses that aren't."""
        for batch in self.honest.locate(selector, carry):
            yield Located(batch.addresses, {name: column[::-1] for name, column in batch.carried.items()})


class Mixer(Saboteur):
    """Carries a field's values beside another's, each column in an order of its own."""

    caught_by = ("carried_values_are_the_records",)

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """The first column as it is, the others in reverse."""
        for batch in self.honest.locate(selector, carry):
            columns = {name: column[::-1] if place else column for place, (name, column) in enumerate(batch.carried.items())}
            yield Located(batch.addresses, columns)


class Another(Saboteur):
    """Looks, in ``locate`` and ``verify`` alike, for something else than what was asked for."""

    def asked(self, selector: Selector) -> Selector:
        """What it looks for instead."""
        return selector

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """What wasn't asked for."""
        return self.honest.locate(self.asked(selector), carry)

    def verify(self, selector: Selector) -> Residue:
        """What wasn't asked for."""
        return self.honest.verify(self.asked(selector))


class Unheld(Another):
    """Does not know of held addresses."""

    caught_by = ("held_addresses_are_left_out",)

    def asked(self, selector: Selector) -> Selector:
        """Without the exceptions."""
        return replace(selector, minus=frozenset())


class Rereader(Another):
    """Selects redacted records for ever."""

    caught_by = ("redact_nulls_the_fields_and_keeps_the_record", "present_asks_for_a_value")

    def asked(self, selector: Selector) -> Selector:
        """Without asking for a value."""
        return replace(selector, present=frozenset())


class Inclusive(Another):
    """Takes a range's end as part of it."""

    caught_by = ("time_ranges_are_half_open",)

    def asked(self, selector: Selector) -> Selector:
        """A little longer."""
        spans = {
            name: Span(span.start, span.end + timedelta(microseconds=1)) if span.end else span for name, span in selector.within.items()
        }
        return replace(selector, within=spans)


class Untimely(Another):
    """Does not look at the time."""

    caught_by = ("time_ranges_are_half_open",)

    def asked(self, selector: Selector) -> Selector:
        """Any time."""
        return replace(selector, within=dict.fromkeys(selector.within, Span()))


class Generous(Another):
    """Takes no value for every value."""

    caught_by = ("an_empty_set_matches_nothing",)

    def asked(self, selector: Selector) -> Selector:
        """Without the empty sets."""
        values = {name: held for name, held in selector.any_of.items() if held}
        within = selector.within if values or selector.within else {self.harness.fields["at"]: Span()}
        return replace(selector, any_of=values, within=within)


class Single(Another):
    """Asks only the first of several conditions."""

    caught_by = ("conditions_hold_together",)

    def asked(self, selector: Selector) -> Selector:
        """The first field's."""
        return replace(selector, any_of=dict(list(selector.any_of.items())[:1]))


class Few(Another):
    """Asks only for a thousand of the values, as a statement's limit once was."""

    caught_by = ("locate_finds_many_people_at_once",)

    def asked(self, selector: Selector) -> Selector:
        """The last in order of text."""
        return replace(selector, any_of=_each(selector, lambda held: frozenset(sorted(held, key=text_of)[-1000:])))


class Literal(Another):
    """Lets a number meet no text."""

    caught_by = ("values_meet_fields_of_another_type",)

    def asked(self, selector: Selector) -> Selector:
        """Texts only."""
        return replace(selector, any_of=_each(selector, lambda held: frozenset(value for value in held if isinstance(value, str))))


class Sloppy(Another):
    """Lets ``07`` meet 7, and true meet 1."""

    caught_by = ("values_meet_fields_of_another_type",)

    def asked(self, selector: Selector) -> Selector:
        """What the values could also be read as."""
        return replace(selector, any_of=_each(selector, lambda held: held | {number for value in held for number in _numbers(value)}))


class Blurred(Saboteur):
    """Takes one text for another, in ``locate``."""

    def same(self, owner: str, asked: str) -> bool:
        """Whether the texts look alike to it."""
        return owner == asked

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Those asked for, and those that look alike."""
        known: set[str] = set()
        for batch in self.honest.locate(selector, carry):
            known.update(batch.addresses)
            yield batch
        name = self.harness.fields["owner"]
        texts = [text_of(value) for value in selector.any_of.get(name, ())]
        for batch in self.everything((name, *carry)):
            alike = [
                place
                for place, owner in enumerate(batch.carried[name])
                if batch.addresses[place] not in known and owner is not None and any(self.same(text_of(owner), text) for text in texts)
            ]
            carried = {field: tuple(column[place] for place in alike) for field, column in batch.carried.items() if field in carry}
            yield Located(tuple(batch.addresses[place] for place in alike), carried)


class CaseFolder(Blurred):
    """Ignores case."""

    caught_by = ("locate_finds_the_subject_and_nobody_else", "any_population_any_subject")

    def same(self, owner: str, asked: str) -> bool:
        """Folded."""
        return owner.casefold() == asked.casefold()


class Trimmer(Blurred):
    """Ignores blanks at the ends, as CHAR columns do."""

    caught_by = ("locate_finds_the_subject_and_nobody_else", "any_population_any_subject")

    def same(self, owner: str, asked: str) -> bool:
        """Trimmed."""
        return owner.strip() == asked.strip()


class Normaliser(Blurred):
    """Takes Unicode forms of a text for one."""

    caught_by = ("locate_finds_the_subject_and_nobody_else", "any_population_any_subject")

    def same(self, owner: str, asked: str) -> bool:
        """Composed."""
        return unicodedata.normalize("NFC", owner) == unicodedata.normalize("NFC", asked)


class Prefixer(Blurred):
    """Takes a key for each that begins with it, as a listing by prefix does."""

    caught_by = ("locate_finds_the_subject_and_nobody_else", "any_population_any_subject")

    def same(self, owner: str, asked: str) -> bool:
        """Begins with."""
        return owner.startswith(asked)


class Wildcard(Blurred):
    """Reads a percent sign in a value as anything."""

    caught_by = ("verify_before_equals_locate", "any_population_any_subject")

    def same(self, owner: str, asked: str) -> bool:
        """LIKE."""
        return fnmatch.fnmatchcase(owner, asked.replace("%", "*"))


class Blindfold(Saboteur):
    """Verifies by saying zero."""

    caught_by = ("verify_before_equals_locate",)

    def verify(self, selector: Selector) -> Residue:
        """Looked at everything, saw nothing."""
        return replace(self.honest.verify(selector), live=0)


class Parrot(Saboteur):
    """Verifies by locating again: what one path overlooks, so does the other."""

    caught_by = ("verify_before_equals_locate", "nobody_is_a_true_zero")

    def verify(self, selector: Selector) -> Residue:
        """What was found is what was looked at."""
        count = sum(len(batch.addresses) for batch in self.honest.locate(selector))
        return Residue(count, count)


class Swallower(Saboteur):
    """Takes one class of error for an empty answer."""

    faults: ClassVar[tuple[type[StoreError], ...]] = ()

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Nothing found."""
        try:
            yield from self.honest.locate(selector, carry)
        except self.faults:
            return

    def erase(self, step: Step) -> Iterator[int]:
        """Nothing more to do."""
        try:
            yield from self.honest.erase(step)
        except self.faults:
            return

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Nothing to reclaim."""
        try:
            return self.honest.reclaim(selector)
        except self.faults:
            return Reclaimed("nothing")

    def verify(self, selector: Selector) -> Residue:
        """Nothing left."""
        try:
            return self.honest.verify(selector)
        except self.faults:
            return NOTHING


class Deaf(Swallower):
    """Takes an outage for an empty store."""

    caught_by = ("an_outage_is_an_error", "an_outage_in_the_middle_loses_nothing")
    faults = (Unavailable,)


class Drifty(Swallower):
    """Takes a misspelt field for one that nobody has a value in."""

    caught_by = ("an_unknown_field_is_an_error", "drift_is_an_error")
    faults = (Drift,)


class Lost(Swallower):
    """Takes a missing collection for an empty one."""

    caught_by = ("an_unknown_collection_is_an_error",)
    faults = (Drift, UnknownStore)


class Chatty(Saboteur):
    """Logs whom it looks for."""

    caught_by = ("nothing_is_said_about_anybody",)

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Aloud."""
        log.debug("looking for %s", selector.any_of)
        return self.honest.locate(selector, carry)


class Gossip(Saboteur):
    """Quotes the person in an error."""

    caught_by = ("nothing_is_said_about_anybody",)

    def verify(self, selector: Selector) -> Residue:
        """The same error, with a name in it."""
        try:
            return self.honest.verify(selector)
        except StoreError as error:
            raise type(error)(f"{error.message}: {dict(selector.any_of)}") from None


class Chainer(Saboteur):
    """Carries along the driver's error, which quotes the person."""

    caught_by = ("nothing_is_said_about_anybody",)

    def verify(self, selector: Selector) -> Residue:
        """The same error, with its cause."""
        try:
            return self.honest.verify(selector)
        except StoreError as error:
            raise type(error)(error.message) from ValueError(f"no such key: {dict(selector.any_of)}")


def _each(selector: Selector, change: Callable[[frozenset[Value]], frozenset[Value]]) -> Mapping[str, frozenset[Value]]:
    return {name: change(held) for name, held in selector.any_of.items()}


def _numbers(value: Value) -> list[Value]:
    try:
        return [int(value)] if isinstance(value, str | bool) else []
    except ValueError:
        return []
