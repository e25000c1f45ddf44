"""Every fault that Expunge raises, grouped by who must act.

::

    ExpungeError
    ├── PolicyError            the policy's author          exit 10-29   HTTP 422
    │   ├── PolicyInvalid          unreadable, unknown or duplicate key, wrong value, dangling reference
    │   ├── AmbiguousOwnership     two ways to be owned and no line that chooses
    │   └── PlanTrouble            the stores would refuse the plan: NOT NULL, cycle, unlisted reference
    ├── RequestError           the requester                exit 30-39   HTTP 4xx
    │   ├── UnknownSubject         no record of this person in any listed store
    │   ├── UnknownRequest         no such request, run or incident
    │   ├── InvalidRequest         the request can't be read: kind, scope, dates
    │   ├── ApprovalNeeded         a second person's word is missing: on a run above the blast radius, on a hold, on an undoing
    │   └── TooLate                the time in which a request can be undone is over
    ├── StoreError             the operator, or time        exit 40-59   HTTP 502/503
    │   ├── UnknownStore           the policy lists no store of that name
    │   ├── Unavailable            can't be reached now (retryable)
    │   ├── Refused                reached, and our grants don't suffice
    │   ├── Drift                  the store is not as the policy says
    │   ├── Conflict               changed under us (retryable)
    │   ├── Full                   no space left (retryable)
    │   ├── MissingExtra           the store's library is not installed
    │   ├── JournalUnavailable     the control database can't be reached (retryable)
    │   ├── JournalNewer           a newer program has written the control database
    │   └── LeaseLost              another worker has taken the step over
    ├── KeyStoreError          the operator                 exit 60-69   HTTP 503
    │   ├── KeyStoreUnavailable    keys can't be read (retryable)
    │   ├── KeySealed              inside the undo window: unreadable, not destroyed
    │   └── KeyDestroyed           gone for ever: to a caller that erases, an outcome
    ├── EvidenceError          security                     exit 70-79   HTTP 500
    │   ├── BadProof               a receipt, signature, proof or log entry does not verify
    │   ├── ForkedLog              two heads that can't both be true
    │   └── ClockWentBack          the clock is behind what was already signed
    ├── Incomplete             the operator                 exit 80-89   HTTP 409
    │   ├── ResidueLeft            a verification still sees records after the last try
    │   ├── RunUnfinished          a store was not reached, or steps are still waiting
    │   ├── CopiesFound            the hunt found copies in places that the policy does not list
    │   └── ClaimBroken            a public sentence does not hold now
    └── GateError              who trains                   exit 90-99   HTTP 4xx/503
        ├── GateClosed             no epoch can be read there (retryable)
        ├── StaleEpoch             the epoch is older than what trains may rely on (retryable)
        ├── EpochUntrusted         an epoch or one of its files is not what was signed
        ├── UnknownPurpose         nothing is published for the purpose, or nothing of this category may be used for it
        ├── SubjectColumn          the samples have no such column, or its values can't be the keys of people
        ├── Unattributed           a record names nobody
        ├── NotEnrolled            a record names somebody whom the epoch does not know
        └── RecordWithdrawn        a record was admitted, and is refused by now

Held, pending-until, nothing-found and already-erased are outcomes (values in a receipt), not errors. A message says what happened,
where, and what to do. It never quotes an identifier: a driver's text is dropped at the store's edge (``from None``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from expunge.terms import Json


class Finding(Protocol):
    """One thing that is wrong in a policy; ``str`` of it is ``file:line:column: path: message``."""

    def as_json(self) -> Json:
        """For ``--json``."""
        ...


class ExpungeError(Exception):
    """The root. ``code`` names the page under docs/errors; ``where`` is the place (store, file:line:column), never a person."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    hint: ClassVar[str] = "See the error's page under docs/errors."

    def __init__(self, message: str, *, where: str = "") -> None:
        """Keep the message and the place apart so that both can be shown as JSON."""
        super().__init__(f"{where}: {message}" if where else message)
        self.message = message
        self.where = where


class PolicyError(ExpungeError):
    """The policy's author must act."""

    code = "policy"
    exit_status = 10
    http_status = 422
    hint = "Mend the policy file at the place named."


class PolicyInvalid(PolicyError):
    """The policy or a dataset file can't be read as one: syntax, unknown or duplicate key, wrong value, dangling reference.

    ``problems`` are all of them, in the order of the files; the message has one line for each.
    """

    code = "policy-invalid"
    exit_status = 11
    hint = "Mend the line named; `expunge policy schema` prints what is allowed."

    def __init__(self, message: str, *, where: str = "", problems: Sequence[Finding] = ()) -> None:
        """Keep the problems beside the message."""
        super().__init__(message, where=where)
        self.problems = tuple(problems)


class AmbiguousOwnership(PolicyError):
    """A collection could belong to its subject in more than one way."""

    code = "ambiguous-ownership"
    exit_status = 12
    hint = "Add the line that the message gives to the collection's dataset annotation."


class PlanTrouble(PolicyError):
    """The stores would refuse the plan, or it would leave something behind: seen before the first write."""

    code = "plan-trouble"
    exit_status = 13
    hint = "Declare what the message asks for, or change the schema; nothing has been written."


class RequestError(ExpungeError):
    """The requester must act."""

    code = "request"
    exit_status = 30
    http_status = 400
    hint = "Mend the request and send it again."


class UnknownSubject(RequestError):
    """No listed store knows the person."""

    code = "unknown-subject"
    exit_status = 31
    http_status = 404
    hint = "Check the kind and the key; a subject is written KIND:KEY or KIND:IDENTITY=VALUE."


class UnknownRequest(RequestError):
    """There is no such request, run or incident."""

    code = "unknown-request"
    exit_status = 32
    http_status = 404
    hint = "`expunge status` lists requests, runs and incidents."


class InvalidRequest(RequestError):
    """The request can't be read."""

    code = "invalid-request"
    exit_status = 33
    hint = "Nothing was done. The command's --help tells what it takes."


class ApprovalNeeded(RequestError):
    """The run is larger than one person may start."""

    code = "approval-needed"
    exit_status = 34
    http_status = 403
    hint = "A second person reads the dry run and runs `expunge approve RUN --digest DIGEST`."


class TooLate(RequestError):
    """The time in which the request can be undone is over, or it never had one."""

    code = "too-late"
    exit_status = 35
    http_status = 410
    hint = "What was destroyed can't be brought back; that is what it is for."


class StoreError(ExpungeError):
    """The operator must act, or time will."""

    code = "store"
    exit_status = 40
    http_status = 502
    hint = "Look at the store named."


class UnknownStore(StoreError):
    """The policy lists no store, or no collection, of that name."""

    code = "unknown-store"
    exit_status = 41
    http_status = 404
    hint = "`expunge policy check` lists the stores and collections."


class Unavailable(StoreError):
    """The store can't be reached now."""

    code = "store-unavailable"
    retryable = True
    exit_status = 42
    http_status = 503
    hint = "The run waits and tries again; `expunge work` continues it when the store is back."


class Refused(StoreError):
    """The store answered, and refused: a permission, a lock mode, a retention rule."""

    code = "store-refused"
    exit_status = 43
    hint = "Grant what docs/stores lists for this kind of store, then `expunge work`."


class Drift(StoreError):
    """The store is not as the policy says: a collection or field is missing, or is of another type."""

    code = "drift"
    exit_status = 44
    hint = "`expunge discover STORE` shows the difference; mend the dataset annotation."


class Conflict(StoreError):
    """The record or file changed between reading and writing; nothing of it was written."""

    code = "conflict"
    retryable = True
    exit_status = 45
    http_status = 503
    hint = "The step is tried again by itself."


class Full(StoreError):
    """No space left on the store's medium; what was there is unharmed."""

    code = "store-full"
    retryable = True
    exit_status = 46
    http_status = 503
    hint = "Free space, then `expunge work`: the run continues where it stopped."


class MissingExtra(StoreError):
    """The library that this kind of store needs is not installed."""

    code = "missing-extra"
    exit_status = 47
    http_status = 500
    hint = "Install the extra that the message names."


class JournalUnavailable(StoreError):
    """The control database can't be reached or is busy."""

    code = "journal-unavailable"
    retryable = True
    exit_status = 50
    http_status = 503
    hint = "Nothing was started; bring the control database back."


class JournalNewer(StoreError):
    """The control database was written by a newer program, whose schema this one does not know; nothing was read."""

    code = "journal-newer"
    exit_status = 52
    http_status = 500
    hint = "Run the version that last opened the control database, or a newer one."


class LeaseLost(StoreError):
    """Another worker holds the step now; this one's writes to the journal were refused."""

    code = "lease-lost"
    exit_status = 51
    http_status = 503
    hint = "Nothing to do: the step is in other hands."


class KeyStoreError(ExpungeError):
    """The operator of the keys must act."""

    code = "keystore"
    exit_status = 60
    http_status = 503
    hint = "Look at the key store and its roots."


class KeyStoreUnavailable(KeyStoreError):
    """Key pages or the root can't be read."""

    code = "keystore-unavailable"
    retryable = True
    exit_status = 61
    hint = "Bring the key database and the root file back."


class KeySealed(KeyStoreError):
    """The key is inside its undo window: unreadable to everybody, not yet destroyed."""

    code = "key-sealed"
    exit_status = 62
    http_status = 403
    hint = "Undo the request to open it, or wait for its end."


class KeyDestroyed(KeyStoreError):
    """The key is gone for ever, or never was."""

    code = "key-destroyed"
    exit_status = 63
    http_status = 410
    hint = "Nothing can bring it back; that is what it is for."


class EvidenceError(ExpungeError):
    """Security must act; never retried."""

    code = "evidence"
    exit_status = 70
    http_status = 500
    hint = "Stop, keep the files as they are, and find out who changed them."


class BadProof(EvidenceError):
    """A receipt, signature, proof or log entry does not verify."""

    code = "bad-proof"
    exit_status = 71


class ForkedLog(EvidenceError):
    """Two log heads can't both be true: the log was rewritten."""

    code = "forked-log"
    exit_status = 72


class ClockWentBack(EvidenceError):
    """The clock is behind a time that is already signed."""

    code = "clock-went-back"
    exit_status = 73
    hint = "Set the clock right; nothing is signed until it has passed the last signed time."


class Incomplete(ExpungeError):
    """The run has not done all it said; there is no false "done"."""

    code = "incomplete"
    exit_status = 80
    http_status = 409
    hint = "`expunge status RUN` names what is left; `expunge work` tries again."


class ResidueLeft(Incomplete):
    """A verification still sees records after the last try."""

    code = "residue-left"
    exit_status = 81


class RunUnfinished(Incomplete):
    """A store was not reached, or steps are still waiting."""

    code = "run-unfinished"
    exit_status = 82


class CopiesFound(Incomplete):
    """The hunt found copies in places that the policy does not list."""

    code = "copies-found"
    exit_status = 83
    hint = "`expunge hunt show RUN` names the places; `expunge hunt adopt` lists one in the policy, `expunge hunt dismiss` says why not."


class ClaimBroken(Incomplete):
    """A public sentence does not hold now."""

    code = "claim-broken"
    exit_status = 84
    hint = "`expunge claims check` names the sentence, the control and the place; `expunge notice … --say-so` prints that it does not hold."
