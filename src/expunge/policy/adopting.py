"""Writes a place that the hunt found into the policy: a dataset file of its own, and one line in the policy file.

The policy's text is changed where YAML's own marks say, and nowhere else: comments, order and layout stay as people wrote them. What names
a person decides how a table is adopted: a column in which keys were recognised becomes a reference or an identity; where there is none, the
collection is found *by content*, and whole records or objects go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from expunge.errors import InvalidRequest
from expunge.policy.catalog import Catalog
from expunge.policy.guesses import guess
from expunge.policy.ownership import Root
from expunge.terms import Shape

_HEAD = """\
# Adopted from a find of the hunt. The categories are guesses from names and types; references are columns in which keys were recognised.
# Read every line, say who reads this place and why, and give it a term, or have it taken away.
"""
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_TELLING = re.compile(r"[0-9@%+]")
"""What marks a path's segment as one that may quote an identifier: such a segment becomes a placeholder."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting does to the policy's files. ``datasets`` is the new file's text, at ``file`` beside the policy.

    ``store`` is the store, existing or new, that lists it; ``address`` the collection. ``by_content``: nothing in it names a person.
    """

    address: str
    store: str
    file: str
    datasets: str
    policy: str
    by_content: bool


def name_for(wanted: str, taken: Sequence[str]) -> str:
    """A store's name made of what a place is called."""
    base = _UNSAFE.sub("_", wanted).strip("_-")
    base = base if base[:1].isalpha() else f"adopted_{base}".rstrip("_")
    names = (base, *(f"{base}_{count}" for count in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def table_collection(shape: Shape, named: Mapping[str, str], catalog: Catalog, roots: Mapping[str, Root]) -> dict[str, Any]:
    """The annotation of a table. ``named``: per column, the identity type (``profile_id``, ``email``) whose values were recognised in it.

    Raises:
        InvalidRequest: nothing in it names a person, and single records can't be named either.
    """
    defining = {catalog.kinds[root.kind].key: root for root in roots.values() if root.defines}
    fields: list[dict[str, Any]] = []
    linked = False
    for field in shape.fields:
        meta: dict[str, Any] = {"primary_key": True} if shape.primary_key == (field.name,) else {}
        identity = named.get(field.name)
        if identity in defining:
            root = defining[identity]
            note = catalog.collections[root.collection]
            meta["references"] = [{"dataset": note.dataset, "field": f"{note.name}.{root.field}", "direction": "from"}]
        elif identity is not None:
            meta["identity"] = identity
        linked |= identity is not None
        found = guess(field, shape.name) if identity is None else None
        fields.append(
            {"name": field.name, **({"data_categories": [found.category]} if found else {}), **({"fides_meta": meta} if meta else {})}
        )
    if linked:
        return {"name": shape.name, "fields": fields}
    if len(shape.primary_key) != 1:
        why = "no column holds a key of theirs, and the table has no primary key of one column by which single records could be named"
        raise InvalidRequest(f"{why}; take the table away, or give it one", where=shape.name)
    return {"name": shape.name, "meta": {"expunge": {"owned_by": [], "found_by": "content"}}, "fields": fields}


def file_collection(path: str, name: str) -> dict[str, Any]:
    """The annotation of files like the one at ``path``: its folder, any name, the same ending; found by content."""
    *folders, file = path.split("/")
    stem, dot, ending = file.partition(".")
    parts = [f"{{folder{place}}}" if _TELLING.search(one) else one for place, one in enumerate(folders, 1)]
    template = "/".join([*parts, f"{{file}}{dot}{ending}" if stem and not _TELLING.search(ending) else "{file}"])
    fields = [{"name": one.strip("{}")} for one in re.findall(r"\{\w+\}", template)]
    return {"name": name, "meta": {"expunge": {"objects": template, "owned_by": [], "found_by": "content"}}, "fields": fields}


def dataset_text(key: str, collection: Mapping[str, Any]) -> str:
    """A dataset file with one collection."""
    return _HEAD + yaml.safe_dump(
        {"dataset": [{"fides_key": key, "collections": [dict(collection)]}]}, sort_keys=False, default_flow_style=None, width=130
    )


def with_dataset(text: str, store: str, file: str) -> str:
    """The policy's text, in which ``store`` lists one more dataset file.

    Raises:
        InvalidRequest: the policy has no such store.
    """
    written = _value(_value(_root(text), "stores"), store)
    listed = _value(written, "datasets", missing=True)
    if listed is None:
        return _add_key(text, written, "datasets", f"[{file}]")
    if isinstance(listed, yaml.ScalarNode):
        return text[: listed.start_mark.index] + f"[{listed.value}, {file}]" + text[listed.end_mark.index :]
    assert isinstance(listed, yaml.SequenceNode)
    if listed.flow_style:
        at = listed.end_mark.index - 1
        return text[:at] + (", " if listed.value else "") + file + text[at:]
    last = listed.value[-1]
    indent = " " * (last.start_mark.column - 2)
    return _insert(text, _end(last), f"{indent}- {file}\n")


def with_store(text: str, name: str, options: Mapping[str, Any]) -> str:
    """The policy's text, with one more store."""
    stores = _value(_root(text), "stores")
    line = yaml.safe_dump(dict(options), default_flow_style=True, sort_keys=False, width=10_000).strip()
    return _add_key(text, stores, name, line)


def raw_url(text: str, place: str) -> str:
    """A hunt's place's url as it is written, references to the environment left in it."""
    written: str = _value(_value(_value(_value(_root(text), "hunt"), "places"), place), "url").value
    return written


def _root(text: str) -> yaml.MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode), "a policy that loaded is a mapping"
    return node


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from node.value


def _value(node: yaml.Node, key: str, *, missing: bool = False) -> Any:
    found = next((value for name, value in _pairs(node) if name.value == key), None)
    if found is None and not missing:
        raise InvalidRequest(f"the policy has no {key!r} there")
    return found


def _add_key(text: str, mapping: yaml.Node, key: str, value: str) -> str:
    pairs = list(_pairs(mapping))
    assert isinstance(mapping, yaml.MappingNode)
    if mapping.flow_style:
        at = mapping.end_mark.index - 1
        return text[:at] + (", " if pairs else "") + f"{key}: {value}" + text[at:]
    indent = " " * pairs[0][0].start_mark.column
    return _insert(text, _end(pairs[-1][1]), f"{indent}{key}: {value}\n")


def _end(node: yaml.Node) -> int:
    """Where a node's text ends: a block's own mark lies behind the comments that follow it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        end: int = node.end_mark.index
        return end
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _insert(text: str, after: int, line: str) -> str:
    """Put a line below the one in which ``after`` lies."""
    newline = text.find("\n", after)
    if newline < 0:
        return f"{text}\n{line}"
    return text[: newline + 1] + line + text[newline + 1 :]
