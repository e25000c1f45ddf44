"""The faults of the training gate: the last branch of the tree in ``errors.py``. Whoever trains must act."""

from __future__ import annotations

from expunge.errors import ExpungeError


class GateError(ExpungeError):
    """Who trains must act; nothing was let through."""

    code = "gate"
    exit_status = 90
    http_status = 403
    hint = "Mend the call that opens the gate or names its columns; docs/gate.md shows both."


class GateClosed(GateError):
    """No epoch can be read there."""

    code = "gate-closed"
    retryable = True
    exit_status = 91
    http_status = 503
    hint = "Point `at` to the folder that `expunge gate publish` writes, and `pass_file` to the gate's pass."


class StaleEpoch(GateError):
    """The epoch is older than what trains may rely on: somebody may have been erased since."""

    code = "gate-stale"
    retryable = True
    exit_status = 92
    http_status = 503
    hint = "See that `expunge gate publish --every` runs; a batch job may declare a longer bound with `stale_after`."


class EpochUntrusted(GateError):
    """An epoch or one of its files is not what was signed."""

    code = "gate-untrusted"
    exit_status = 93
    http_status = 500
    hint = "Publish again; if it happens twice, somebody else writes to the folder, or the pass is another gate's."


class UnknownPurpose(GateError):
    """Nothing is published for the purpose, or nothing of this category may be used for it."""

    code = "gate-purpose"
    exit_status = 94
    http_status = 404
    hint = "Use a purpose of the policy, and a category that a term allows for it; `expunge gate status` lists the purposes."


class SubjectColumn(GateError):
    """The samples have no such column, or its values can't be the keys of people."""

    code = "gate-column"
    exit_status = 95
    http_status = 422
    hint = "Name the column that holds the person's key, and cast it to the type that the message names."


class Unattributed(GateError):
    """A record names nobody, so that nobody can have agreed to its use."""

    code = "gate-unattributed"
    exit_status = 96
    http_status = 422
    hint = "Drop records without a subject before the gate, or find out whose they are."


class NotEnrolled(GateError):
    """A record names somebody whom the epoch does not know."""

    code = "gate-not-enrolled"
    exit_status = 97
    http_status = 403
    hint = (
        'If these are people who came since, `expunge gate publish --enrol` takes them in; `unknown="refuse"` keeps them out and goes on.'
    )


class RecordWithdrawn(GateError):
    """A record was admitted when the view was made, and is refused by now."""

    code = "gate-withdrawn"
    exit_status = 98
    http_status = 410
    hint = "Make the view again, once per pass over the samples."
