"""fideslang's Dataset as files carry it, with our ``meta.expunge`` on collections and fields.

fideslang's own models drop ``meta`` below the dataset, ignore unknown keys and sort what they read; these subclasses keep all three as
written (an unknown key lands in ``model_extra``, where ``checks`` finds it), so that a mark still leads to its line. ``fidesops_meta``,
the older name of ``fides_meta``, is read too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fideslang.models import CollectionMeta, Dataset, DatasetCollection, DatasetField, FidesDatasetReference, FidesMeta
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from expunge.policy.options import Strict, Text, Texts
from expunge.policy.quantities import Length

OPEN = ConfigDict(extra="allow")


def _scalar(written: object) -> object:
    if isinstance(written, str | int | float | bool):
        return written
    raise ValueError("a single value is meant")


Scalar = Annotated[Any, PlainValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})]


class WrittenKeep(Strict):
    """Why records stay although their subject is erased (GDPR 17(3))."""

    basis: Text = Field(description="The duty or right, in words.")
    length: Length = Field(default=None, alias="for", description="How long; indefinite if left out.")


class CollectionExtension(Strict):
    """``meta.expunge`` of a collection."""

    owned_by: Texts | None = Field(default=None, description="The fields that make a record its subject's; [] if nobody owns it.")
    verb: Literal["delete", "redact", "decorrelate", "keep"] | None = Field(default=None, description="What erasure does; delete.")
    redact: Texts | None = Field(default=None, description="The fields that a redact nulls; those about a person if left out.")
    repoint: dict[Text, Scalar] | None = Field(default=None, description="Per owner field, the pseudo-person's value.")
    keep: WrittenKeep | None = Field(default=None, description="Needed with verb: keep.")
    captured_at: Text | None = Field(default=None, description="A field here, store.collection.field, or never.")
    derived_from: Texts | None = Field(default=None, description="Collections (store.collection) that this one was made from.")
    found_by: Literal["content"] | None = Field(
        default=None, description="Nobody's key is in it: a record or object in which the hunt recognises somebody goes whole."
    )
    objects: Text | None = Field(default=None, description="The template of object keys.")
    path: Text | None = Field(default=None, description="The files, or the table's folder, inside the store.")
    sparse: Texts | None = Field(default=None, description="JSON lines: fields that may be in no line at all.")
    manifest: Text | None = Field(default=None, description="The collection (store.collection) that lists the objects.")


class FieldExtension(Strict):
    """``meta.expunge`` of a field."""

    identity: Text | None = Field(default=None, description="As fides_meta.identity.")
    part_of: Text | None = Field(default=None, description="In a record of several people: the owner field whose content this is.")
    seal: Text | None = Field(default=None, description="The field that names whose key this content is sealed with.")


class CollectionMetaBox(BaseModel):
    """``meta`` of a collection; what is not ours stays unread."""

    model_config = OPEN
    expunge: CollectionExtension | None = None


class FieldMetaBox(BaseModel):
    """``meta`` of a field; what is not ours stays unread."""

    model_config = OPEN
    expunge: FieldExtension | None = None


class _Renamed(BaseModel):
    """Reads ``fidesops_meta`` where ``fides_meta`` is not given."""

    __init__ = BaseModel.__init__

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, written: object) -> object:
        if not isinstance(written, dict) or "fidesops_meta" not in written:
            return written
        rest = {key: value for key, value in written.items() if key != "fidesops_meta"}
        return {**rest, "fides_meta": rest.get("fides_meta") or written["fidesops_meta"]}


class AnnotatedReference(FidesDatasetReference):  # type: ignore[misc]  # fideslang is not followed by mypy
    """A reference to, or from, a field of another collection."""

    model_config = OPEN


class AnnotatedFieldMeta(FidesMeta):  # type: ignore[misc]  # fideslang is not followed by mypy
    """``fides_meta`` of a field."""

    model_config = OPEN
    references: list[AnnotatedReference] | None = None


class AnnotatedField(_Renamed, DatasetField):  # type: ignore[misc]  # fideslang is not followed by mypy
    """A field, perhaps with fields of its own."""

    model_config = OPEN
    fides_meta: AnnotatedFieldMeta | None = None
    fields: list[AnnotatedField] | None = None
    meta: FieldMetaBox | None = None


class AnnotatedCollectionMeta(CollectionMeta):  # type: ignore[misc]  # fideslang is not followed by mypy
    """``fides_meta`` of a collection."""

    model_config = OPEN


class AnnotatedCollection(_Renamed, DatasetCollection):  # type: ignore[misc]  # fideslang is not followed by mypy
    """A table, a kind of object, a log."""

    model_config = OPEN
    fides_meta: AnnotatedCollectionMeta | None = None
    fields: list[AnnotatedField]
    meta: CollectionMetaBox | None = None

    @field_validator("fields")
    @classmethod
    def _sort_fields(cls, fields: list[Any]) -> list[Any]:
        return fields

    @field_validator("fields")
    @classmethod
    def _unique_items_in_list(cls, fields: list[Any]) -> list[Any]:
        return fields


class AnnotatedDataset(_Renamed, Dataset):  # type: ignore[misc]  # fideslang is not followed by mypy
    """One dataset file's content."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=False)
    collections: list[AnnotatedCollection]

    @field_validator("collections")
    @classmethod
    def _sort_collections(cls, collections: list[Any]) -> list[Any]:
        return collections

    @field_validator("collections")
    @classmethod
    def _unique_items_in_list(cls, collections: list[Any]) -> list[Any]:
        return collections
