"""A loaded policy: everything the other rooms may ask of it, as frozen values.

``load`` makes a ``Policy``; nothing else does. A policy that exists is whole: every name in it leads somewhere, every duration is a
number, and ``digest`` says which text it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from expunge.policy.catalog import Catalog, Mark, Problem
from expunge.policy.family import Family
from expunge.policy.publishing import Claim, Notices, Recipient
from expunge.policy.retention_model import Retention
from expunge.policy.windows import HoldRules, Undo


@dataclass(frozen=True, slots=True)
class Controller:
    """Who decides why and how data is used (GDPR 4(7)), and where people write to."""

    name: str
    contact: str
    address: str | None = None
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why data is used: a fideslang data use, on one of the six bases of GDPR 6(1)."""

    name: str
    use: str
    basis: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """How long a category of one kind of subject is kept, for which purpose, counted from what, and why that long.

    ``keep`` is ``None`` for ``indefinite``. ``since`` is ``captured_at`` (the record's own time of capture) or the address
    ``store.collection.field`` of a time field.
    """

    of: str
    category: str
    purpose: str
    keep: timedelta | None
    since: str
    need: str
    mark: Mark | None = None

    def covers(self, kind: str, category: str) -> bool:
        """Whether a category of this kind of subject falls under the term; a category covers those below it."""
        return kind == self.of and (category == self.category or category.startswith(f"{self.category}."))


@dataclass(frozen=True, slots=True)
class Children:
    """What happens to a minor's profile that nobody uses: idle this long, notice that long before, gone within so long of it.

    ``used_by`` are times (``store.collection.field``) of the child's own use; nothing else counts as use.
    """

    idle_after: timedelta
    notice: timedelta
    erase_within: timedelta
    used_by: tuple[str, ...] = ()
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What a role may look at: ``what`` are data categories; ``condition`` is what must be given first; limits are per grant."""

    role: str
    may: tuple[str, ...]
    what: tuple[str, ...]
    condition: str
    clips: int | None = None
    minutes: int | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """Where Expunge keeps its own state. URLs are SQLAlchemy's; both folders lie outside every database that can be restored."""

    journal: str
    keys: str
    roots: Path
    evidence: Path

    def __repr__(self) -> str:
        """No URLs: they may hold a password."""
        return f"Control(roots={str(self.roots)!r}, evidence={str(self.evidence)!r})"


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """Above the larger of ``subjects`` and ``share`` (a fraction of a store's subjects) a second person approves a run."""

    subjects: int = 100
    share: Decimal = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class HuntPlace:
    """A place that is looked at although no store of the policy lies there; ``options`` as the objects store's."""

    name: str
    url: str
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    mark: Mark | None = None

    def __repr__(self) -> str:
        """No URL: it may hold a password."""
        return f"HuntPlace({self.name!r})"


@dataclass(frozen=True, slots=True)
class Hunt:
    """Looking for copies that nobody listed. ``owner`` has ``within`` to deal with a find; ``rate`` is bytes per second and worker.

    ``nice`` is the niceness (1 to 19) of a process from when it begins to hunt.
    """

    places: Mapping[str, HuntPlace] = field(default_factory=dict[str, HuntPlace])
    owner: str = "privacy engineer"
    within: timedelta = timedelta(hours=72)
    rate: int | None = None
    nice: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy file with its datasets.

    ``digest`` is the SHA-256, in hex, of the RFC 8785 form of the policy and its datasets as written, before environment values are
    filled in: it does not change with a password or a host, nor with comments and layout. ``folder`` is where relative paths begin.
    ``categories`` are the extensions to fideslang's taxonomy. ``warnings`` are what was read but not obeyed. ``hunt`` is ``None`` where
    no erasure looks for unlisted copies; receipts then say so. ``undo`` is ``None`` where requests are carried out at once.
    """

    controller: Controller
    catalog: Catalog
    control: Control
    digest: str
    folder: Path
    purposes: Mapping[str, Purpose] = field(default_factory=dict[str, Purpose])
    terms: tuple[Term, ...] = ()
    children: Children | None = None
    retention: Retention | None = None
    undo: Undo | None = None
    holds: HoldRules = field(default_factory=HoldRules)
    access: Mapping[str, Access] = field(default_factory=dict[str, Access])
    blast_radius: BlastRadius = field(default_factory=BlastRadius)
    hunt: Hunt | None = None
    categories: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    recipients: Mapping[str, Recipient] = field(default_factory=dict[str, Recipient])
    claims: tuple[Claim, ...] = ()
    notices: Notices = field(default_factory=Notices)
    family: Family = field(default_factory=Family)

    def term_for(self, kind: str, category: str) -> Term | None:
        """The term that a category of this kind of subject falls under: the most narrow category, then the shortest time."""
        found = [one for one in self.terms if one.covers(kind, category)]
        return min(found, key=lambda one: (-one.category.count("."), one.keep or timedelta.max), default=None)
