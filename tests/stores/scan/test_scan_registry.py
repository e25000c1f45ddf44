"""Places are opened by their address, which is shown without what is secret in it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import ExpungeError, MissingExtra, PolicyInvalid, UnknownStore
from expunge.stores.scan_registry import OPENERS, open_scan, shown


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("postgresql://ann:s3cret@db.example:5433/app?sslmode=require&password=s3cret", "postgresql://db.example:5433/app"),
        ("postgresql+psycopg://ann@db.example/app", "postgresql://db.example/app"),
        ("mysql://ann:s3/cr@et@db.example", "mysql://"),
        ("s3://bucket/some/prefix?x#y", "s3://bucket/some/prefix?x#y"),
        ("s3://AKIA:s3cret@bucket/x", "s3://bucket/x"),
        ("s3://AKIA:s3/cret@bucket/x", "s3://"),
        ("sqlite:////var/lib/app.db", "sqlite:////var/lib/app.db"),
        ("file:///srv/a%20b", "/srv/a b"),
        ("/srv/share", "/srv/share"),
        ("relative/a@b", "relative/a@b"),
    ],
)
def test_what_a_place_is_called(address: str, name: str) -> None:
    assert shown(address) == name


@given(st.sampled_from(sorted(OPENERS.keys() - {"", "file", "sqlite"})), st.text(st.characters(exclude_characters="@/:?#[]%"), max_size=9))
def test_a_password_is_never_shown(scheme: str, tail: str) -> None:
    for secret in (f"PASSWORD{tail}", f"{tail}PASSWORD"):
        assert "PASSWORD" not in shown(f"{scheme}://someone:{secret}@host/path")
        assert "PASSWORD" not in shown(f"{scheme}://someone:{secret}@host:port/path")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("gs://bucket/s3cret", UnknownStore),
        ("oracle://ann:s3cret@host/x", UnknownStore),
        ("s3://ann:s3cret@bucket", PolicyInvalid),
        ("s3://", PolicyInvalid),
        ("postgresql://ann:s3cret@host", PolicyInvalid),
        ("mysql://ann:s3cret@host:many/", PolicyInvalid),
        ("mysql://ann:s3cret@host/?pass=x", PolicyInvalid),
        ("sqlite://", PolicyInvalid),
    ],
)
def test_what_cannot_be_opened_is_said_without_secrets(address: str, kind: type[ExpungeError]) -> None:
    with pytest.raises(kind) as told:
        open_scan(address)
    assert "s3cret" not in repr(told.value)
    assert told.value.__cause__ is None


@pytest.mark.parametrize(
    ("address", "library", "extra"),
    [("postgresql://h/x", "psycopg", "postgresql"), ("mysql://h/x", "pymysql", "mysql"), ("s3://b", "botocore.exceptions", "s3")],
)
def test_a_missing_library_is_named(address: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = OPENERS[address.split(":", 1)[0]][0]
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"{library}.*expunge\[{extra}\]"):
        open_scan(address)
