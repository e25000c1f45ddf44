"""What the journal takes and gives: frozen values, no SQL, no I/O.

Times are aware and in UTC. Nothing here may hold a person's identifier, except ``Request.scope``'s items (sealed at rest, destroyed when
the run closes) and ``Request.sealed_ref`` (sealed by the caller). Steps' payloads, notes, results and error messages hold names and counts
only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from expunge.terms import Json


class RequestStatus(StrEnum):
    """Where a request stands. While it is ``hidden`` it can be undone; the last five are final: nothing is worked on any more."""

    HIDDEN = "hidden"
    UNDOING = "undoing"
    RECEIVED = "received"
    HELD = "held"
    RUNNING = "running"
    INCOMPLETE = "incomplete"
    DONE = "done"
    CLOSED = "closed"
    ALREADY_ERASED = "already-erased"
    NOTHING_FOUND = "nothing-found"
    WITHDRAWN = "withdrawn"
    UNDONE = "undone"


OPEN_REQUESTS = (
    RequestStatus.HIDDEN,
    RequestStatus.UNDOING,
    RequestStatus.RECEIVED,
    RequestStatus.HELD,
    RequestStatus.RUNNING,
    RequestStatus.INCOMPLETE,
)
"""A second request for the same is a duplicate only while the first has not yet reached its end: after that, there may be new records."""

FINAL_REQUESTS = (
    RequestStatus.CLOSED,
    RequestStatus.ALREADY_ERASED,
    RequestStatus.NOTHING_FOUND,
    RequestStatus.WITHDRAWN,
    RequestStatus.UNDONE,
)
"""Statuses in which what was sealed for the request is no longer needed, and is destroyed."""


class RunStatus(StrEnum):
    """Where a run stands. ``pending`` waits for a time (a backup's end), ``incomplete`` for an operator or a store."""

    AWAITING_APPROVAL = "awaiting-approval"
    RUNNING = "running"
    PENDING = "pending"
    INCOMPLETE = "incomplete"
    DONE = "done"
    CLOSING = "closing"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


WORKABLE_RUNS = (RunStatus.RUNNING, RunStatus.PENDING, RunStatus.INCOMPLETE)
"""Runs whose steps are handed out when due."""

ENDED_RUNS = (RunStatus.CLOSING, RunStatus.CLOSED, RunStatus.WITHDRAWN)
"""Runs to which nothing is added any more."""


class StepStatus(StrEnum):
    """Where a step stands: ``leased`` is in a worker's hands, ``given-up`` waits for an operator."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class NewWindow:
    """Until when (aware) a request can be undone. ``household``: all of one goes; ``asked_by`` is the number of the adult who asked."""

    until: datetime
    household: bool = False
    asked_by: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Filing:
    """A request as it comes in.

    ``kind`` is ``erase`` or ``access``; ``subject`` a number of the subject registry. ``scope`` is JSON; its ``items`` name records and
    are sealed, the rest (categories, times) is kept in plain. ``requester`` is a role, never a name. ``authority`` says how it was proven.
    ``attached`` is further JSON that is sealed with the items (who was meant, as found at filing) and does not make the request another
    one. ``sealed_ref`` is the caller's own sealed bytes. ``key`` makes filing idempotent: the same key gives the same request.
    """

    kind: str
    subject: int
    subject_kind: str
    scope: Json
    requester: str
    authority: str
    sealed_ref: bytes | None = None
    key: str | None = None
    attached: Json = None
    window: NewWindow | None = None

    def __repr__(self) -> str:
        """Kind only."""
        return f"Filing({self.kind!r}, {self.subject_kind!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """A request as the journal holds it.

    ``duplicate``: this filing met an earlier, still open request (or the same idempotency key), which is the one given. ``scope`` lacks its
    ``items``, and ``attached`` is ``None``, once they are destroyed (``scope_destroyed``).
    """

    id: str
    kind: str
    subject: int
    subject_kind: str
    scope: Json
    requester: str
    authority: str
    sealed_ref: bytes | None
    status: RequestStatus
    run_id: str | None
    filed_at: datetime
    duplicate: bool = False
    scope_destroyed: bool = False
    attached: Json = None

    def __repr__(self) -> str:
        """Id and status only."""
        return f"Request({self.id!r}, {self.status.value!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Hold:
    """A duty to keep that outranks erasure, until ``until`` (``None``: until lifted).

    It is about ``subject`` and, with ``members``, about whoever belongs to that household or comes to. ``whole``: everything of theirs;
    otherwise what ``scope`` names. ``asked_by`` waits for a second person until ``asked_until`` is confirmed. While ``gag_until`` has not
    come, the people it is about are not told. ``people`` (as in a request) and ``items`` are opened only where a search needs them.
    """

    id: str
    subject: int
    authority: str
    reason: str
    placed_at: datetime
    until: datetime | None
    lifted_at: datetime | None = None
    number: int = 0
    whole: bool = True
    members: bool = False
    scope: Json = None
    asked_by: str | None = None
    asked_until: datetime | None = None
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    gag_authority: str | None = None
    gag_until: datetime | None = None
    people: Json = None
    items: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Id only."""
        return f"Hold({self.id!r})"

    def stands(self, at: datetime) -> bool:
        """Whether it keeps anything at ``at`` (aware)."""
        return self.lifted_at is None and (self.until is None or self.until > at)

    def gagged(self, at: datetime) -> bool:
        """Whether the people it is about may not be told of it at ``at`` (aware)."""
        return self.gag_until is not None and self.gag_until > at


@dataclass(frozen=True, slots=True, repr=False)
class NewHold:
    """A hold to place: ``asked_by`` until ``asked_until``, as ``Hold`` has it. ``until`` is when it ends if nobody confirms it."""

    subject: int
    authority: str
    reason: str
    asked_by: str
    asked_until: datetime
    until: datetime
    whole: bool
    members: bool
    scope: Json
    people: Json
    items: tuple[str, ...] = ()
    gag_authority: str | None = None
    gag_until: datetime | None = None

    def __repr__(self) -> str:
        """Nothing of whom it is about."""
        return "NewHold()"


@dataclass(frozen=True, slots=True)
class Run:
    """One run: a batch of requests that one plan serves.

    ``number`` is its key's number in the sealer's space ``run``. ``waits_for`` names earlier runs on one of the same people that are still
    running: this run's steps are handed out when those have ended or stand still (an outcome, not a fault).
    """

    id: str
    number: int
    status: RunStatus
    plan_digest: str
    policy_digest: str
    needs_approval: bool
    started_by: str
    started_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    closed_at: datetime | None = None
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step to add. ``name`` is unique in its run; steps of a lower ``rank`` are all done before one of a higher rank is begun."""

    rank: int
    name: str
    kind: str
    store: str | None = None
    collection: str | None = None
    payload: Json = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A step in one worker's hands until ``until``. ``attempt`` counts from 1; ``done`` and ``note`` are what was last journalled.

    ``failed_with`` is the code of the fault that an earlier attempt ended with, also after a reopening: what it broke has yet to pass.

    Every write of a worker names ``fence`` and ``owner``: once another has taken the step over, ``LeaseLost`` is raised. That guards the
    journal, not the outside world: what a step does must be idempotent.
    """

    step: int
    run_id: str
    run_number: int
    rank: int
    name: str
    kind: str
    store: str | None
    collection: str | None
    payload: Json
    done: int
    note: Json
    attempt: int
    fence: int
    owner: str
    length: timedelta
    until: datetime
    failed_with: str | None = None


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step as it stands now. ``due`` is when a waiting one may be begun, or a leased one's lease ends."""

    name: str
    rank: int
    kind: str
    store: str | None
    collection: str | None
    payload: Json
    status: StepStatus
    attempts: int
    done: int
    note: Json
    result: Json
    due: datetime | None
    owner: str | None
    error_code: str | None
    error_message: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReceiptNote:
    """Where a receipt lies: its file, SHA-256 digest (hex) and place in the log. ``request_id`` ``None``: the run's own statement."""

    request_id: str | None
    path: str
    digest: str
    log_index: int
    kept_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a control found wrong. Only the same ``control`` passing closes it; ``reopened`` counts how often it came back."""

    id: str
    kind: str
    control: str
    run_id: str | None
    store: str | None
    owner: str
    due: datetime
    note: str
    opened_at: datetime
    closed_at: datetime | None = None
    reopened: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it still waits for its control to pass."""
        return self.closed_at is None


class FindStatus(StrEnum):
    """What became of a find. An *adopted* place is in the policy now, and waits for the next hunt to see that nothing is left."""

    OPEN = "open"
    ADOPTED = "adopted"
    DISMISSED = "dismissed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, repr=False)
class Find:
    """A place in which a hunt recognised a run's people. ``control`` is the same for one place in every run.

    ``place``, ``rows`` and ``detail`` may quote identifiers; they are there while the run is open. ``certain``: it stands by itself.
    ``address``: the collection of the policy, if the place was adopted by content.
    """

    id: str
    run_id: str
    control: str
    source: str
    address: str | None
    certain: bool
    kinds: tuple[str, ...]
    count: int
    subjects: int
    status: FindStatus
    found_at: datetime
    because: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    place: str | None = None
    rows: tuple[str, ...] = ()
    detail: Json = None

    def __repr__(self) -> str:
        """Id, source and status only."""
        return f"Find({self.id!r}, {self.source!r}, {self.status.value!r})"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A task that comes back ``every`` so often. When taken, ``fence`` and ``owner`` guard its end as a step's lease does."""

    name: str
    every: timedelta
    payload: Json
    due: datetime
    fence: int = 0
    owner: str | None = None
