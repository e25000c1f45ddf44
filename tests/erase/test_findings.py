"""What lies beside what is declared is told: a second person's column, an address without a person, a name of nobody, what isn't listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from expunge.errors import UnknownSubject
from tests.erase.spelled import USERS, estate
from tests.erase.toy import command, erased, opened, sql, statement_of, toy

TWO = "create table users(id integer primary key, email text); insert into users values (1, 'a@toy.example'), (2, 'b@toy.example');"


def test_a_second_column_that_looks_like_a_persons_key_is_warned_of(tmp_path: Path) -> None:
    tables = TWO + "create table calls(id integer primary key, caller integer, user_id integer, said text);"
    call = {"id": "pk", "caller": "> users.id", "said": "user.content"}
    with opened(estate(tmp_path / "e", tables, {"users": USERS, "calls": call})) as library:
        (found,) = [one for one in library.check() if one.code == "soft-reference"]
        assert (found.path, found.severity) == ("app.calls.user_id", "warning")
        assert "whom caller names alone" in found.message
        assert "owned_by: [caller, user_id]" in found.fix
        assert "owned_by: caller}" in found.fix
    said = {**call, "meta": "{owned_by: caller}"}
    with opened(estate(tmp_path / "said", tables, {"users": USERS, "calls": said})) as library:
        assert [one.path for one in library.check() if one.code == "soft-reference"] == []


def test_who_is_known_by_an_address_alone_is_told_where_they_were_looked_for(tmp_path: Path) -> None:
    tables = TWO + "create table signups(id integer primary key, mail text); insert into signups values (1, 'new@toy.example');"
    place = estate(tmp_path / "e", tables, {"users": USERS, "signups": {"id": "pk", "mail": "email"}})
    with opened(place) as library:
        for ask in (library.plan, library.request):
            with pytest.raises(UnknownSubject) as told:
                ask(["user:email=new@toy.example"])
            assert "looked for user by email in app.users.email; not in app.signups.mail" in str(told.value)
            assert "new@" not in str(told.value)
        with pytest.raises(UnknownSubject, match=r"looked for user by user_id in app\.users\.id"):
            library.access("user:77", tmp_path / "a.zip")


def test_a_co_owner_without_a_record_of_their_own_is_nobody(tmp_path: Path) -> None:
    tables = TWO + (
        "create table m(id integer primary key, s integer, r integer, body text);"
        "insert into m values (1, 1, 99, 'to nobody'), (2, 1, 2, 'to the living'), (3, 1, null, 'to all');"
    )
    message = {"meta": "{owned_by: [s, r]}", "id": "pk", "s": "> users.id", "r": "> users.id", "body": "user.content part_of=s"}
    place = estate(tmp_path / "e", tables, {"users": USERS, "m": message})
    assert erased(place, "user:1").complete
    assert sql(place, "select id, r, body from m") == [(2, 2, None)]


def test_what_a_listed_store_holds_unmentioned_is_counted_without_names(tmp_path: Path) -> None:
    place = toy(tmp_path / "toy")
    sql(place, "create virtual table ann_smith_search using fts5(words)")
    sql(place, "create table ann_smith(id integer primary key, said text)")
    sql(place, "insert into ann_smith(said) values ('x'), ('y')")
    for name in ("ann-smith/1.txt", "ann-smith/2.txt", "3.txt"):
        file = place.folder / "media" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    standing = erased(place, "child:11")
    assert standing.complete
    with opened(place) as library:
        for request in (None, standing.requests[0].id):
            statement = statement_of(library, standing, request)
            assert statement["not_listed"]["app"]["collections"] == 2
            assert statement["not_listed"]["media"] == {"collections": 1, "about": 3}
            assert any("3 collections of the listed stores (app, media)" in line for line in statement["out_of_scope"])
            assert "smith" not in json.dumps(statement)
        path = next(note.path for note in standing.receipts)
        told = command(place, "verify", path, "--trust", str(library.trust_path)).out
    assert "3 collections of the listed stores" in told
