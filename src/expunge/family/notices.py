"""The printed notices: from the policy, sentence by sentence, each with the control that it rests on.

16 CFR 312.4: the online notice (d), the direct notice to a parent with its seven parts (c)(1)(i) to (vii), the retention policy (312.10,
part of the online notice by (d)(2)), and how to have data deleted (312.6). One source: what the gate, the sweeps and the erasures obey is
what is printed. A field that has no term and no purpose can't be printed at all.

Pure: the policy and what is held go in, a ``Notice`` comes out. Whether a sentence holds is not known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import rfc8785

from expunge.errors import PolicyInvalid
from expunge.policy.model import Policy, Term
from expunge.policy.ownership import Ownership
from expunge.policy.publishing import Claim
from expunge.policy.retention import kinds, uncovered
from expunge.policy.taxonomy import personal
from expunge.terms import Json, Verb

TEMPLATE = 1
"""The version of the wording in ``notices_*.py``; a changed sentence there is a new one."""

Kind: TypeAlias = Literal["online", "direct", "retention", "deletion"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence (or two that belong together). ``id`` is stable; ``claim`` is what is run to see whether it holds.

    ``broken`` is set when it does not, and somebody chose to print it saying so.
    """

    id: str
    text: str
    claim: Claim
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """What is said of one thing (a category, a recipient), under its name."""

    name: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a notice; ``law`` names what it answers to."""

    id: str
    title: str
    sentences: tuple[Sentence, ...] = ()
    items: tuple[Item, ...] = ()
    law: str = ""

    def every(self) -> Iterator[Sentence]:
        """All its sentences, in order."""
        yield from self.sentences
        for item in self.items:
            yield from item.sentences


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice, whole. ``about`` is the kind of subject that it is for; ``policy`` the digest of the policy that it was printed from."""

    kind: Kind
    about: str | None
    title: str
    sections: tuple[Section, ...]
    policy: str
    template: int = TEMPLATE

    def every(self) -> Iterator[Sentence]:
        """All its sentences, in order."""
        for section in self.sections:
            yield from section.every()

    @property
    def digest(self) -> str:
        """The version: SHA-256, in hex, of the RFC 8785 form of every sentence in its place. Another text is another version."""
        whole = {"kind": self.kind, "for": self.about, "title": self.title, "sections": [_bare(one) for one in self.sections]}
        return hashlib.sha256(rfc8785.dumps(whole)).hexdigest()

    def as_json(self) -> Json:
        """For ``--json``: every sentence with its control."""
        return {
            "kind": self.kind,
            "for": self.about,
            "title": self.title,
            "version": self.digest,
            "policy": self.policy,
            "template": self.template,
            "sections": [
                {
                    "id": section.id,
                    "title": section.title,
                    "law": section.law,
                    "sentences": [_told(one) for one in section.sentences],
                    "items": [{"name": item.name, "sentences": [_told(one) for one in item.sentences]} for item in section.items],
                }
                for section in self.sections
            ],
        }


@dataclass(frozen=True, slots=True)
class Held:
    """What is collected of one kind of subject under one term: the categories of the declared fields that fall under it."""

    term: Term
    categories: tuple[str, ...]


def held_by_kind(policy: Policy, ownership: Ownership) -> dict[str, tuple[Held, ...]]:
    """Per kind of subject, what the policy's datasets hold of it, term by term, in the policy's order of terms.

    Raises:
        PolicyInvalid: a field holds what no term covers: it has no purpose and no end, so there is nothing true to print.
    """
    problems = list(uncovered(policy, ownership))
    if problems:
        raise PolicyInvalid("\n".join(str(one) for one in problems), problems=problems)
    found: dict[tuple[str, int], dict[str, None]] = {}
    place = {id(term): index for index, term in enumerate(policy.terms)}
    for address in sorted(ownership.owned):
        note = policy.catalog.collections[address]
        if note.verb is Verb.KEEP:
            continue
        for kind in kinds(ownership, address):
            for category in (one for field in note.fields.values() for one in personal(field.categories)):
                term = policy.term_for(kind, category)
                assert term is not None
                found.setdefault((kind, place[id(term)]), {})[category] = None
    return {
        kind: tuple(Held(policy.terms[index], tuple(sorted(found[one, index]))) for one, index in sorted(found) if one == kind)
        for kind in policy.catalog.kinds
        if any(one == kind for one, _ in found)
    }


def with_results(notice: Notice, broken: Iterable[str]) -> Notice:
    """The notice in which the sentences of these ids say that they don't hold now."""
    bad = frozenset(broken)
    return Notice(
        notice.kind, notice.about, notice.title, tuple(_marked(one, bad) for one in notice.sections), notice.policy, notice.template
    )


def _marked(section: Section, bad: frozenset[str]) -> Section:
    items = tuple(Item(item.name, _all_marked(item.sentences, bad)) for item in section.items)
    return Section(section.id, section.title, _all_marked(section.sentences, bad), items, section.law)


def _all_marked(sentences: Sequence[Sentence], bad: frozenset[str]) -> tuple[Sentence, ...]:
    return tuple(
        Sentence(one.id, f"This does not hold now: {one.text}", one.claim, broken=True) if one.id in bad else one for one in sentences
    )


def _bare(section: Section) -> Mapping[str, Json]:
    return {
        "title": section.title,
        "sentences": [[one.id, one.text] for one in section.sentences],
        "items": [[item.name, [[one.id, one.text] for one in item.sentences]] for item in section.items],
    }


def _told(one: Sentence) -> Json:
    claim = one.claim
    return {
        "id": one.id,
        "text": one.text,
        "control": claim.control,
        "of": claim.of,
        "category": claim.category,
        "purpose": claim.purpose,
        "broken": one.broken,
    }
