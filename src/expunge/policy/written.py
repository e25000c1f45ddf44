"""The policy file as it is written: one pydantic model per mapping, from which the JSON Schema is made too.

Nothing here looks at another entry; that is ``checks``' work.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from expunge.policy.family import WrittenFamily
from expunge.policy.options import AnyStore, Count, Strict, Text, Texts, listed
from expunge.policy.publishing import WrittenClaim, WrittenNotices, WrittenRecipient
from expunge.policy.quantities import Duration, Length, Share
from expunge.policy.retention_written import WrittenRetention
from expunge.policy.windows import WrittenHolds, WrittenUndo

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Basis = Literal["consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"]
May = Literal["view", "live", "talk", "export"]
_MAY_SCHEMA = {"enum": list(get_args(May))}
Mays = Annotated[list[May], BeforeValidator(listed), WithJsonSchema({"anyOf": [_MAY_SCHEMA, {"type": "array", "items": _MAY_SCHEMA}]})]
Condition = Literal["owner_consent", "second_person", "legal_order", "emergency"]


class WrittenController(Strict):
    """Who decides (GDPR 4(7))."""

    name: Text = Field(description="The company's name.")
    contact: Text = Field(description="Where people write to.")
    address: Text | None = Field(default=None, description="The street address, for notices (16 CFR 312.4(d)(1)).")
    phone: Text | None = Field(default=None, description="The telephone number, for notices.")
    email: Text | None = Field(default=None, description="The e-mail address, for notices; contact, if left out.")


class WrittenSubject(Strict):
    """A kind of person, or a household."""

    key: Name = Field(description="The identity that defines a person of this kind; one field of some dataset carries it.")
    identities: list[Name] = Field(default_factory=list, description="Further identities the person is known by.")
    member_of: Name | None = Field(default=None, description="The kind (a household) that this one belongs to.")
    minor: bool = Field(default=False, description="Children: no indefinite terms, idle profiles end.")
    guardian: Name | None = Field(default=None, description="The kind that decides for this one.")


class WrittenPurpose(Strict):
    """Why data is used."""

    use: Text = Field(description="A data use of fideslang.")
    basis: Basis = Field(description="The basis of GDPR 6(1).")


class WrittenTerm(Strict):
    """How long a category is kept; without a term it may not be collected."""

    of: Name = Field(description="The kind of subject.")
    category: Text = Field(description="A data category; it covers those below it.")
    purpose: Name = Field(alias="for", description="The purpose.")
    keep: Length = Field(description="How long.")
    since: Text = Field(default="captured_at", alias="from", description="captured_at, or store.collection.field of a time.")
    need: Text = Field(description="Why that long, in words that people read.")


class WrittenChildren(Strict):
    """What happens to idle profiles of minors."""

    idle_after: Duration = Field(description="Idle when unused this long.")
    notice: Duration = Field(description="How long before the end the guardian is told.")
    erase_within: Duration = Field(description="Gone at the latest this long after it became idle.")
    used_by: Texts = Field(default_factory=list, description="Times (store.collection.field) of what counts as use by the child.")


class WrittenAccess(Strict):
    """What a role of the staff may look at."""

    may: Mays = Field(description="What they may do.")
    what: Texts = Field(description="Data categories.")
    condition: Condition = Field(alias="with", description="What must be given first.")
    clips: Count | None = Field(default=None, description="At most so many items per grant.")
    minutes: Count | None = Field(default=None, description="A grant ends after so many minutes.")


class WrittenControl(Strict):
    """Where Expunge keeps its own state; everything defaults to .expunge beside the policy."""

    journal: Text | None = Field(default=None, description="SQLAlchemy's URL of the control database.")
    keys: Text | None = Field(default=None, description="SQLAlchemy's URL of the key pages.")
    roots: Text | None = Field(default=None, description="The folder of the key roots; outside every database and its backups.")
    evidence: Text | None = Field(default=None, description="The folder of the log; outside every database that can be restored.")


class WrittenBlastRadius(Strict):
    """Above the larger of the two, a second person approves."""

    subjects: Count = Field(default=100, description="So many subjects.")
    share: Share | None = Field(default=None, description="This share of a store's subjects; 0.1 % if left out.")


class WrittenPlace(Strict):
    """A place that the hunt looks at although no store of the policy lies there."""

    url: Text = Field(description="A folder, a file, s3://bucket/prefix, or SQLAlchemy's URL of a database.")
    endpoint_url: Text | None = Field(default=None, description="Another S3 service's address.")
    region: Text | None = Field(default=None, description="The bucket's region.")
    profile: Text | None = Field(default=None, description="A profile of the AWS configuration.")


class WrittenHunt(Strict):
    """Looking for copies that nobody listed, after every erasure."""

    places: dict[Name, WrittenPlace] = Field(default_factory=dict, description="Beside the stores, which are always looked at whole.")
    owner: Text = Field(default="privacy engineer", description="Whose a find's incident is.")
    within: Duration = Field(default=timedelta(hours=72), description="By when a find must be dealt with; 72 hours if left out.")
    rate: Count | None = Field(default=None, description="Bytes per second that a worker reads at most.")
    nice: Annotated[int, Field(ge=1, le=19)] | None = Field(
        default=None, description="How much a hunting process yields to others, 1 to 19."
    )


class Written(Strict):
    """The policy file."""

    expunge: Literal[1] = Field(description="The version of this format.")
    controller: WrittenController
    subjects: dict[Name, WrittenSubject] = Field(min_length=1, description="The kinds of people and the typed keys they are known by.")
    stores: dict[Name, AnyStore] = Field(min_length=1, description="Every place where their data lies.")
    purposes: dict[Name, WrittenPurpose] = Field(default_factory=dict)
    terms: list[WrittenTerm] = Field(default_factory=list)
    children: WrittenChildren | None = None
    family: WrittenFamily | None = Field(default=None, description="How parents are asked, and whose an unattributed record is.")
    retention: WrittenRetention | None = Field(default=None, description="With it, workers sweep what has come to its term.")
    undo: WrittenUndo | None = Field(default=None, description="With it, what a person asks to have erased can be undone for a time.")
    holds: WrittenHolds = Field(default_factory=WrittenHolds, description="Duties to keep, which outrank erasure.")
    access: dict[Name, WrittenAccess] = Field(default_factory=dict, description="By role.")
    recipients: dict[Name, WrittenRecipient] = Field(default_factory=dict, description="Everybody outside who receives data.")
    claims: list[WrittenClaim] = Field(default_factory=list, description="Public sentences, each with the control that keeps it true.")
    notices: WrittenNotices = Field(default_factory=WrittenNotices, description="What the printed notices need beside this.")
    control: WrittenControl = Field(default_factory=WrittenControl)
    blast_radius: WrittenBlastRadius = Field(default_factory=WrittenBlastRadius)
    hunt: WrittenHunt | None = Field(default=None, description="With it, every erasure also looks for unlisted copies.")
    categories: list[Text] = Field(default_factory=list, description="Data categories added to fideslang's taxonomy.")
