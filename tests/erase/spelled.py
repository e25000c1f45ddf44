"""An estate in a few lines: tables as SQL, collections as short annotations, one SQLite file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from tests.faults.killing import Place

POLICY: Mapping[str, Any] = {
    "expunge": 1,
    "controller": {"name": "Toy", "contact": "privacy@toy.example"},
    "subjects": {"user": {"key": "user_id", "identities": ["email"]}},
    "purposes": {"respond": {"use": "essential.service", "basis": "contract"}},
    "terms": [{"of": "user", "category": "user", "for": "respond", "keep": "30 days", "need": "answer"}],
}

USERS = {"id": "pk user_id", "email": "email"}
"""The annotations of a usual table of people."""


def estate(folder: Path, tables: str, collections: Mapping[str, Mapping[str, str]], **changes: Any) -> Place:
    """Build it. A field is written ``[pk] [IDENTITY] [> collection.field] [category]``; the key ``meta`` holds ``meta.expunge`` as YAML."""
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder}/app.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in filter(None, map(str.strip, tables.split(";"))):
            connection.execute(sa.text(statement.replace(":", "\\:")))
    engine.dispose()
    stores = {"app": {"kind": "sql", "url": url, "datasets": ["app.yml"]}}
    (folder / "expunge.yaml").write_text(yaml.safe_dump({**POLICY, "stores": stores, **changes}))
    dataset = {"fides_key": "app", "collections": [_collection(name, fields) for name, fields in collections.items()]}
    (folder / "app.yml").write_text(yaml.safe_dump({"dataset": [dataset]}))
    return Place(folder, {"APP_URL": url})


def _collection(name: str, fields: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "fields": [_field(one, text.split()) for one, text in fields.items() if one != "meta"]}
    return {**made, "meta": {"expunge": yaml.safe_load(fields["meta"])}} if "meta" in fields else made


def _field(name: str, words: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "fides_meta": {}}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "pk":
            made["fides_meta"]["primary_key"] = True
        elif word == ">":
            made["fides_meta"]["references"] = [{"dataset": "app", "field": rest.pop(0), "direction": "from"}]
        elif word.startswith(("user.", "system")):
            made["data_categories"] = [word]
        elif word.startswith("part_of="):
            made["meta"] = {"expunge": {"part_of": word.partition("=")[2]}}
        else:
            made["fides_meta"]["identity"] = word
    return made
