"""The vault on SQLite and on PostgreSQL: what a key does, and that a destroyed one is gone from every copy."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from expunge.errors import KeyDestroyed, KeySealed, KeyStoreError, KeyStoreUnavailable
from expunge.keys.external import EnvironmentSecret, KeyFile
from expunge.keys.files import create_once
from expunge.keys.pages import KEY_BYTES, Page, State, open_page, shut_page, unwrap_key, wrap_key
from expunge.keys.roots import Roots
from expunge.keys.vault import Vault
from expunge.testing.clock import FakeClock

EXTERNAL = EnvironmentSecret.read("ROOT", {"ROOT": base64.b64encode(bytes(range(32))).decode()})
MANY = [0, 1, 1023, 1024, 5000, 70_000]


class Place:
    """A key database and a roots' folder that can be opened again and copied."""

    def __init__(self, url: str, roots: Path) -> None:
        self.url, self.roots, self.clock = url, roots, FakeClock()
        self._opened: list[Vault] = []

    def open(self) -> Vault:
        vault = Vault.open(self.url, self.roots, EXTERNAL, self.clock)
        self._opened.append(vault)
        return vault

    def close(self) -> None:
        for one in self._opened:
            one.close()

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """What a backup of the database would hold."""
        with create_engine(self.url).connect() as connection:
            held = {name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))] for name in TABLES}
        connection.engine.dispose()
        return held

    def restore(self, rows: dict[str, list[tuple[object, ...]]]) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for name, columns in TABLES.items():
                connection.execute(text(f"DELETE FROM {name}"))
                marks = ", ".join(f":{column}" for column in columns)
                for row in rows[name]:
                    connection.execute(text(f"INSERT INTO {name} VALUES ({marks})"), dict(zip(columns, row, strict=True)))
        engine.dispose()

    def root_files(self) -> list[Path]:
        return sorted(self.roots.glob("root-*"))


TABLES = {
    "key_epochs": ("id", "number", "root", "since"),
    "key_buckets": ("space", "bucket", "wrapped"),
    "key_pages": ("space", "bucket", "page"),
}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
    made = Place(url, tmp_path / "roots")
    yield made
    made.close()


@pytest.fixture
def vault(place: Place) -> Vault:
    return place.open()


def test_what_is_sealed_is_unsealed_in_another_process(place: Place, vault: Vault) -> None:
    vault.make("subject", MANY)
    vault.make("run", [1])
    sealed = vault.seal_each("subject", {number: b"secret %d" % number for number in MANY}, bound_to=b"here")
    one = vault.seal("run", 1, b"", bound_to=b"")
    vault.close()
    again = place.open()
    assert again.unseal_each("subject", sealed, bound_to=b"here") == {number: b"secret %d" % number for number in MANY}
    assert again.unseal("run", 1, one, bound_to=b"") == b""
    for space, number, bound_to in (("subject", 0, b"there"), ("subject", 1, b"here"), ("run", 1, b"here")):
        with pytest.raises(KeyStoreError):
            again.unseal(space, number, sealed[0], bound_to=bound_to)


def test_making_twice_keeps_the_key_and_never_revives_one(vault: Vault) -> None:
    vault.make("subject", [3, 3, 4])
    sealed = vault.seal("subject", 3, b"x", bound_to=b"")
    vault.destroy("subject", [4, 9])
    vault.make("subject", [3, 4, 9])
    assert vault.unseal("subject", 3, sealed, bound_to=b"") == b"x"
    for gone in (4, 9, 77):
        with pytest.raises(KeyDestroyed):
            vault.seal("subject", gone, b"x", bound_to=b"")
    with pytest.raises(KeyDestroyed):
        vault.seal_each("subject", {3: b"", 4: b""}, bound_to=b"")


def test_destroying_spares_the_survivors_and_the_other_space(vault: Vault) -> None:
    numbers = range(0, 5000, 7)
    for space in ("subject", "run"):
        vault.make(space, numbers)
    sealed = {space: vault.seal_each(space, dict.fromkeys(numbers, b"s"), bound_to=b"") for space in ("subject", "run")}
    streams = vault.stream_keys("subject", numbers)
    salts = vault.salts("subject", numbers)
    gone = set(numbers[::3])
    vault.destroy("subject", sorted(gone))
    vault.destroy("subject", [*gone, 1])
    left = set(numbers) - gone
    assert set(vault.unseal_each("subject", sealed["subject"], bound_to=b"")) == left
    assert vault.salts("subject", numbers) == {number: salt for number, salt in salts.items() if number in left}
    assert vault.stream_keys("subject", numbers) == {number: key for number, key in streams.items() if number in left}
    assert set(vault.unseal_each("run", sealed["run"], bound_to=b"")) == set(numbers)
    with pytest.raises(KeyDestroyed):
        vault.unseal("subject", 0, sealed["subject"][0], bound_to=b"")
    uses = {*salts.values(), *streams.values()}
    assert len(uses) == 2 * len(numbers)


def test_a_hidden_key_is_unreadable_but_not_gone(vault: Vault) -> None:
    vault.make("subject", [1, 2])
    sealed = vault.seal_each("subject", {1: b"one", 2: b"two"}, bound_to=b"")
    salts = vault.salts("subject", [1])
    vault.hide("subject", [1, 1, 99])
    vault.hide("subject", [1])
    vault.make("subject", [1])
    for refused in (
        lambda: vault.unseal("subject", 1, sealed[1], bound_to=b""),
        lambda: vault.unseal_each("subject", sealed, bound_to=b""),
        lambda: vault.seal("subject", 1, b"", bound_to=b""),
        lambda: vault.stream_keys("subject", [1]),
    ):
        with pytest.raises(KeySealed):
            refused()
    assert vault.salts("subject", [1]) == salts
    assert vault.unseal("subject", 2, sealed[2], bound_to=b"") == b"two"
    vault.unhide("subject", [1, 2, 99])
    assert vault.unseal("subject", 1, sealed[1], bound_to=b"") == b"one"
    vault.hide("subject", [1])
    vault.destroy("subject", [1])
    vault.unhide("subject", [1])
    with pytest.raises(KeyDestroyed):
        vault.unseal("subject", 1, sealed[1], bound_to=b"")


def test_closing_an_epoch_says_when_and_keeps_the_survivors(place: Place, vault: Vault) -> None:
    assert vault.open_epoch_since() == place.clock.now()
    vault.make("subject", MANY)
    sealed = vault.seal_each("subject", dict.fromkeys(MANY, b"s"), bound_to=b"")
    other = place.open()
    assert set(other.unseal_each("subject", sealed, bound_to=b"")) == set(MANY)
    closed = place.clock.tick(timedelta(hours=3))
    assert vault.close_epoch() == closed == other.open_epoch_since()
    assert set(other.unseal_each("subject", sealed, bound_to=b"")) == set(MANY)
    place.clock.tick(timedelta(hours=-9))
    assert other.close_epoch() == closed
    assert set(vault.unseal_each("subject", sealed, bound_to=b"")) == set(MANY)
    assert [path.name.split("-")[1] for path in place.root_files()] == ["00000003"]


def test_a_backup_opens_only_until_the_epoch_is_closed(place: Place, vault: Vault, tmp_path: Path) -> None:
    vault.make("subject", [1, 2])
    sealed = vault.seal_each("subject", {1: b"one", 2: b"two"}, bound_to=b"")
    backup, roots = place.rows(), tmp_path / "saved"
    vault.destroy("subject", [1])
    after = place.rows()
    place.restore(backup)
    assert place.open().unseal("subject", 1, sealed[1], bound_to=b"") == b"one", "before the close a backup still opens: not final"
    place.restore(after)
    shutil.copytree(place.roots, roots)
    vault.close_epoch()
    (current,) = place.root_files()
    place.restore(backup)
    with pytest.raises(KeyStoreUnavailable):
        place.open()
    with pytest.raises(KeyStoreUnavailable):
        vault.unseal("subject", 1, sealed[1], bound_to=b"")
    assert place.root_files() == [current], "a database that is too old must not cost the roots"
    control = Place(place.url, roots)
    assert control.open().unseal("subject", 1, sealed[1], bound_to=b"") == b"one", "with the saved old root it opens"
    control.close()


def test_leftover_rows_do_not_open_with_the_current_root(place: Place, vault: Vault) -> None:
    vault.make("subject", [1])
    held = place.rows()
    vault.close_epoch()
    ((_, number, root, _),) = place.rows()["key_epochs"]
    assert isinstance(number, int)
    current = Roots(place.roots, EXTERNAL).get(number, str(root))
    wrapped = held["key_buckets"][0][2]
    assert isinstance(wrapped, bytes)
    with pytest.raises(KeyStoreError):
        unwrap_key(wrapped, current, b"subject 0")
    now = place.rows()["key_buckets"][0][2]
    assert isinstance(now, bytes)
    assert len(unwrap_key(now, current, b"subject 0")) == KEY_BYTES


def test_a_lost_key_database_is_not_begun_anew(place: Place, vault: Vault) -> None:
    vault.make("subject", [1])
    kept = place.root_files()
    place.restore({"key_epochs": [], "key_buckets": [], "key_pages": []})
    with pytest.raises(KeyStoreUnavailable):
        place.open()
    for refused in (vault.open_epoch_since, vault.close_epoch, lambda: vault.make("subject", [2])):
        with pytest.raises(KeyStoreUnavailable):
            refused()
    assert place.root_files() == kept


def test_another_external_root_opens_nothing(place: Place, vault: Vault) -> None:
    vault.make("subject", [1])
    with pytest.raises(KeyStoreError):
        Vault.open(place.url, place.roots, EnvironmentSecret(bytes(32)), place.clock)
    (path,) = place.root_files()
    path.write_text("{}")
    with pytest.raises(KeyStoreError):
        place.open()


def test_changed_rows_are_refused(place: Place, vault: Vault) -> None:
    vault.make("subject", [1, 1025])
    held = place.rows()
    pages = {(row[0], row[1]): row[2] for row in held["key_pages"]}
    exchanged = [("subject", 0, pages["subject", 1]), ("subject", 1, pages["subject", 0])]
    for wrong in (exchanged, [("subject", 0, b"short"), ("subject", 1, b"")]):
        place.restore({**held, "key_pages": list(wrong)})
        with pytest.raises(KeyStoreError):
            vault.salts("subject", [1])


def test_several_processes_make_and_destroy_at_once(place: Place, vault: Vault) -> None:
    script = textwrap.dedent("""
        import base64, sys
        from pathlib import Path
        from expunge.keys.external import EnvironmentSecret
        from expunge.keys.vault import Vault
        from expunge.testing.clock import FakeClock
        vault = Vault.open(sys.argv[1], Path(sys.argv[2]), EnvironmentSecret(bytes(range(32))), FakeClock())
        me = int(sys.argv[3])
        for turn in range(12):
            number = turn * 3 + me
            vault.make("subject", [number])
            sealed = vault.seal("subject", number, b"s", bound_to=b"")
            if turn % 4 == 3:
                vault.close_epoch()
            assert vault.unseal("subject", number, sealed, bound_to=b"") == b"s"
            if turn % 2:
                vault.destroy("subject", [number])
    """)
    command = [sys.executable, "-c", script, place.url, str(place.roots)]
    workers = [subprocess.Popen([*command, str(one)]) for one in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert sorted(vault.salts("subject", range(100))) == [turn * 3 + one for turn in range(0, 12, 2) for one in range(3)]
    assert len(place.root_files()) == 1


def test_no_secret_is_in_any_text(vault: Vault, place: Place) -> None:
    vault.make("subject", [1])
    assert repr(vault) == "Vault()"
    assert repr(Page.empty()) == "Page()"
    assert "known" in repr(Roots(place.roots, EXTERNAL))
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in place.root_files())
    with pytest.raises(ValueError, match="space"):
        vault.make("person", [1])


def test_an_unreachable_database_is_said(tmp_path: Path) -> None:
    clock = FakeClock()
    with pytest.raises(KeyStoreUnavailable):
        Vault.open(f"sqlite:///{tmp_path}/no/such/folder/keys.db", tmp_path / "roots", EXTERNAL, clock)
    for url in ("mysql://x/y", "nonsense", "oracle+none://x"):
        with pytest.raises(KeyStoreError):
            Vault.open(url, tmp_path / "roots", EXTERNAL, clock)
    with pytest.raises(KeyStoreUnavailable) as told:
        Vault.open("postgresql://someone:hidden@127.0.0.1:1/keys", tmp_path / "roots", EXTERNAL, clock)
    assert "hidden" not in str(told.value)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyStoreUnavailable):
        Vault.open(f"sqlite:///{tmp_path}/keys.db", tmp_path / "file" / "roots", EXTERNAL, clock)


def test_no_byte_of_what_held_a_destroyed_key_is_left_on_the_medium(tmp_path: Path) -> None:
    place = Place(f"sqlite:///{tmp_path}/keys.db", tmp_path / "roots")
    vault = place.open()
    vault.make("subject", [*range(0, 4096, 5)])
    ((_, _, wrapped),) = [row for row in place.rows()["key_buckets"] if row[1] == 1]
    ((_, _, page),) = [row for row in place.rows()["key_pages"] if row[1] == 1]
    assert isinstance(page, bytes)
    assert isinstance(wrapped, bytes)
    root = place.root_files()[0].read_bytes()
    markers = [wrapped, *(page[start : start + 32] for start in range(0, len(page) - 32, 512))]
    assert any(one in path.read_bytes() for one in markers for path in tmp_path.glob("keys.db*")), "the control must see them first"
    vault.destroy("subject", [1025])
    vault.close_epoch()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(one in kept for one in (*markers, root, root[-64:]))
    place.close()


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "root.key"
    first = KeyFile.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyFile.load_or_create(path).unwrap(first.wrap(b"root", b"1"), b"1") == b"root"
    with pytest.raises(KeyStoreError):
        first.unwrap(first.wrap(b"root", b"1"), b"2")
    with pytest.raises(KeyStoreError):
        first.unwrap(b"", b"")
    path.write_bytes(b"short")
    with pytest.raises(KeyStoreError):
        KeyFile.load_or_create(path)
    with pytest.raises(KeyStoreUnavailable):
        KeyFile.load_or_create(tmp_path / "elsewhere" / "root.key" / "below")
    with pytest.raises(KeyStoreUnavailable):
        EnvironmentSecret.read("ABSENT", {})
    for wrong in ("", "AAAA", "not base64!"):
        with pytest.raises(KeyStoreError):
            EnvironmentSecret.read("ROOT", {"ROOT": wrong})


def test_of_two_makers_of_a_key_file_both_see_the_firsts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_once(tmp_path / "key", b"first")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert create_once(tmp_path / "key", b"second") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_page_keeps_keys_apart_and_can_be_wiped() -> None:
    page, key, root = Page.empty(), bytearray(b"k" * 32), bytearray(b"r" * 32)
    assert page.fill([0, 1023])
    assert not page.fill([0])
    assert page.derive(0, b"use") != page.derive(0, b"other") != page.derive(1023, b"other")
    assert [page.state(slot) for slot in (0, 1, 1023)] == [State.LIVE, State.EMPTY, State.LIVE]
    shut = shut_page(page, key, b"here")
    assert open_page(shut, key, b"here").raw == page.raw
    with pytest.raises(KeyStoreError):
        open_page(shut, key, b"there")
    assert unwrap_key(wrap_key(key, root, b"here"), root, b"here") == key
    page.wipe()
    assert not any(page.raw)
