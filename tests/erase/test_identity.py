"""Whose a record is does not hang on how a key is typed or spelt, and nobody's record goes because somebody else asked."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from expunge.errors import InvalidRequest, PlanTrouble
from expunge.stores.values import key_text, spelled
from expunge.terms import Scope
from tests.erase.spelled import USERS, estate
from tests.erase.toy import erased, opened, rows_of, sql, statement_of

TWO = "create table users(id integer primary key, email text); insert into users values (1, 'a@toy.example'), (2, 'b@toy.example');"
SOMEBODY = UUID("550e8400-e29b-41d4-a716-446655440000")


@pytest.mark.parametrize(("value", "text"), [(2.0, "2"), (Decimal("2.00"), "2"), (2.5, "2.5"), ("2.0", "2.0")])
def test_a_whole_number_is_one_key_in_every_type(value: float | Decimal | str, text: str) -> None:
    assert key_text(value) == text


def test_a_uuid_is_one_key_in_every_spelling() -> None:
    assert len({key_text(one) for one in spelled([key_text(SOMEBODY)])}) == 1
    assert {str(SOMEBODY), SOMEBODY.hex, str(SOMEBODY).upper(), SOMEBODY.hex.upper()} <= spelled([str(SOMEBODY)])
    assert spelled(["17"]) == {"17"}


def test_a_living_persons_message_stays_whatever_the_column_is(tmp_path: Path) -> None:
    tables = (
        TWO
        + "create table m(id integer primary key, s real, r real, body text); insert into m values (1, 1.0, 2.0, 'x'), (2, 2.0, 1.0, 'y');"
    )
    message = {"meta": "{owned_by: [s, r]}", "id": "pk", "s": "> users.id", "r": "> users.id", "body": "user.content part_of=s"}
    place = estate(tmp_path / "e", tables, {"users": USERS, "m": message})
    assert erased(place, "user:1").complete
    assert sql(place, "select * from m order by id") == [(1, None, 2.0, None), (2, 2.0, None, "y")]


def test_other_spellings_of_a_uuid_are_found_and_verified(tmp_path: Path) -> None:
    tables = f"""create table users(id text primary key, email text); insert into users values ('{SOMEBODY}', 'a@toy.example');
    create table upper(id integer primary key, by text, said text); insert into upper values (1, '{str(SOMEBODY).upper()}', 'x');
    create table bare(id integer primary key, by text, said text); insert into bare values (1, '{SOMEBODY.hex}', 'x')"""
    said = {"id": "pk", "by": "> users.id", "said": "user.content"}
    place = estate(tmp_path / "e", tables, {"users": USERS, "upper": said, "bare": said})
    assert erased(place, f"user:{SOMEBODY}").complete
    assert sql(place, "select count(*) from upper") == sql(place, "select count(*) from bare") == [(0,)]


def test_households_of_households_are_found_whatever_the_order(tmp_path: Path) -> None:
    tables = """create table org(id integer primary key); create table home(id integer primary key, org integer);
    create table person(id integer primary key, home integer, name text);
    insert into org values (1); insert into home values (11, 1); insert into person values (111, 11, 'x')"""
    subjects = {
        "person": {"key": "person_id", "member_of": "home"},
        "home": {"key": "home_id", "member_of": "org"},
        "org": {"key": "org_id"},
    }
    collections = {
        "org": {"id": "pk org_id"},
        "home": {"id": "pk home_id", "org": "> org.id"},
        "person": {"id": "pk person_id", "home": "> home.id", "name": "user.name"},
    }
    terms = [{"of": kind, "category": "user", "for": "respond", "keep": "30 days", "need": "answer"} for kind in subjects]
    place = estate(tmp_path / "e", tables, collections, subjects=subjects, terms=terms)
    assert erased(place, "org:1").complete
    assert [sql(place, f"select count(*) from {name}") for name in collections] == [[(0,)]] * 3


@pytest.mark.parametrize("item", ["app.notes/20", "app.notes/999"])
def test_an_item_is_the_requesters_own_or_the_request_is_refused(item: str, tmp_path: Path) -> None:
    tables = TWO + "create table notes(id integer primary key, by integer, said text); insert into notes values (10, 1, 'x'), (20, 2, 'y');"
    place = estate(tmp_path / "e", tables, {"users": USERS, "notes": {"id": "pk", "by": "> users.id", "said": "user.content"}})
    with opened(place) as library:
        with pytest.raises(InvalidRequest, match="1 of 2 items"):
            library.erase(["user:1"], Scope(items=("app.notes/10", item)))
        assert library.runs() == []
        _, (standing,) = library.erase(["user:1"], Scope(items=("app.notes/10",)))
    assert standing.complete
    assert sql(place, "select id from notes") == [(20,)]


def test_a_link_of_two_peoples_things_goes_with_either(tmp_path: Path) -> None:
    tables = (
        TWO
        + """create table album(id integer primary key, by integer references users(id));
    create table asset(id integer primary key, by integer references users(id));
    create table album_asset(album integer references album(id), asset integer references asset(id), primary key (album, asset));
    create index a1 on album(by); create index a2 on asset(by); create index a3 on album_asset(asset);
    insert into album values (1, 1), (2, 2); insert into asset values (1, 1), (2, 2);
    insert into album_asset values (1, 1), (1, 2), (2, 1), (2, 2)"""
    )
    link = {"meta": "{owned_by: album}", "album": "pk > album.id", "asset": "pk > asset.id"}
    collections = {
        "users": USERS,
        "album": {"id": "pk", "by": "> users.id"},
        "asset": {"id": "pk", "by": "> users.id"},
        "album_asset": link,
    }
    place = estate(tmp_path / "e", tables, collections)
    assert erased(place, "user:1").complete
    assert sql(place, "select album, asset from album_asset") == [(2, 2)]


def test_a_misspelt_identity_is_no_key(tmp_path: Path) -> None:
    place = estate(tmp_path / "e", TWO, {"users": USERS})
    with opened(place) as library, pytest.raises(InvalidRequest, match="it is known by user_id, email"):
        library.plan(["user:mail=a@toy.example"])


def test_who_asks_is_not_named_in_the_receipt(tmp_path: Path) -> None:
    place = estate(tmp_path / "e", TWO, {"users": USERS})
    with opened(place) as library:
        with pytest.raises(InvalidRequest, match="don't name the person"):
            library.erase(["user:email=a@toy.example"], authority="letter of a@toy.example")
        assert library.runs() == []


def test_a_redacted_record_stays_and_is_nobodys(tmp_path: Path) -> None:
    tables = (
        TWO
        + """create table orders(id integer primary key, by integer, mail text, said text, price integer);
    create table kept(by integer not null references users(id), said text, price integer); create index k on kept(by);
    insert into users values (0, null);
    insert into orders values (1, 1, 'a@toy.example', 'x', 7), (2, 2, 'b@toy.example', 'y', 8), (3, 1, null, null, 9);
    insert into kept values (1, 'x', 7), (1, 'x', 7), (2, 'y', 8), (1, null, 9)"""
    )
    order = {"meta": "{verb: redact, owned_by: by}", "id": "pk", "by": "> users.id", "mail": "email", "said": "user.content", "price": ""}
    kept = {"meta": "{verb: redact, repoint: {by: 0}}", "by": "> users.id", "said": "user.content", "price": ""}
    place = estate(tmp_path / "e", tables, {"users": USERS, "orders": order, "kept": kept})
    standing = erased(place, "user:1")
    assert standing.complete
    assert sql(place, "select * from orders order by id") == [
        (1, None, None, None, 7),
        (2, 2, "b@toy.example", "y", 8),
        (3, None, None, None, 9),
    ]
    assert sql(place, "select * from kept order by price, by") == [(0, None, 7), (0, None, 7), (2, "y", 8), (0, None, 9)]
    with opened(place) as library:
        rows = rows_of(statement_of(library, standing))
    for name in ("orders", "kept"):
        assert rows[f"app.{name}"]["note"].startswith("records stay, without"), name
    assert (rows["app.orders"]["located"], rows["app.orders"]["after"]) == (2, 0)
    assert rows["app.kept"]["method"] == ["redact"]
    assert "records stay" not in rows["app.users"]["note"]


def test_what_a_policy_does_not_say_of_a_redacted_record_stops_the_plan(tmp_path: Path) -> None:
    tables = TWO + "create table orders(id integer primary key, by integer, said text, phone text, size integer);"
    order = {"meta": "{verb: redact}", "id": "pk", "by": "> users.id", "said": "user.content"}
    place = estate(tmp_path / "e", tables, {"users": USERS, "orders": order})
    with opened(place) as library, pytest.raises(PlanTrouble, match=r"app\.orders\.phone: is not declared"):
        library.erase(["user:1"])
    place = estate(tmp_path / "f", tables, {"users": USERS, "orders": {**order, "phone": "user.contact.phone_number"}})
    with opened(place) as library:
        assert [one.path for one in library.plan(["user:1"]).sight.warnings] == ["app.orders.size"]
