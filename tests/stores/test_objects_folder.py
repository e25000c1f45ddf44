"""Objects in a folder: the laws with and without old versions, and what a file system adds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.errors import Drift, Refused, UnknownStore
from expunge.stores.base import Counter, Reader, Store
from expunge.stores.objects import open_store
from expunge.terms import FieldType, Method, Selector, Span, Step
from expunge.testing.conformance import Gap, Harness, Row, StoreLaws

REWRITES = (
    "redact_of_one_field_keeps_the_other",
    "redact_twice_is_once",
    "redact_stops_at_any_batch_and_resumes",
    "redacted_bytes_are_told_then_gone",
    "decorrelate_repoints",
    "decorrelate_nulls_along_with_it",
    "decorrelate_twice_is_once",
    "repointed_bytes_are_told_then_gone",
)
GAPS = dict.fromkeys(REWRITES, Gap("objects are deleted whole", Refused))


@dataclass(frozen=True)
class Layout:
    """A collection as a policy declares it."""

    name: str
    objects: str

    @property
    def layout(self) -> Mapping[str, object]:
        return {"objects": self.objects}

    @property
    def field_names(self) -> tuple[str, ...]:
        return ()


class FolderHarness(Harness):
    """Rows are files; the root is a link, as a mounted disk often is, so that it can go away."""

    fields: Mapping[str, str] = {"id": "id", "owner": "owner", "body": "body", "at": "last_modified"}
    gaps = GAPS
    bulk = 60

    def __init__(self, home: Path, *, versions: bool) -> None:
        self.disk, self.root, self.versions = home / "disk", home / "root", versions
        self.disk.mkdir()
        self.root.symlink_to(self.disk)

    def open(self) -> Store:
        options = {"url": str(self.root), "batch": 20} | ({"versions": "folder"} if self.versions else {})
        return open_store("media", options, [Layout("notes", "notes/{owner}/{id}.txt")])

    def seed(self, rows: Iterable[Row]) -> None:
        for folder in ("notes", ".versions"):
            shutil.rmtree(self.disk / folder, ignore_errors=True)
        for row in rows:
            key = f"notes/{row.owner}/{row.id}.txt"
            self._put(key, row.body or "", row.at)
            if self.versions and row.id % 2:
                self._put(f".versions/{key}/1", f"older {row.body}", row.at - timedelta(hours=1))

    def bury(self, rows: Iterable[Row]) -> bool:
        for row in rows if self.versions else ():
            self._put(f".versions/notes/{row.owner}/{row.id}.txt/1", row.body or "", row.at)
        return self.versions

    def _put(self, key: str, text: str, at: datetime) -> None:
        path = self.disk / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        os.utime(path, (at.timestamp(), at.timestamp()))

    def dump(self) -> list[Row]:
        found = [path for path in self.disk.glob("notes/*/*") if path.is_file()]
        return [
            Row(
                int(path.stem),
                path.parent.name,
                None,
                path.read_bytes().decode() or None,
                datetime.fromtimestamp(path.stat().st_mtime, UTC),
            )
            for path in found
        ]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for path in self.disk.rglob("*"):
            yield "name", path.name.encode()
            if path.is_file():
                yield "file", path.read_bytes()

    @contextmanager
    def outage(self) -> Iterator[None]:
        away = self.disk.rename(self.disk.with_name("unmounted"))
        try:
            yield
        finally:
            away.rename(self.disk)

    def holds(self, owner: str) -> bool:
        return owner not in ("", ".", "..") and not {"/", "\x00"} & set(owner) and len(owner.encode()) < 256


class TestFolder(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return FolderHarness(tmp_path, versions=False)


class TestVersionedFolder(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return FolderHarness(tmp_path, versions=True)


KEYS = ("voice/17/a.wav", "voice/17/b.wav", "voice/170/a.wav", "voice/17/a.wav.bak", "voice/18/a.wav", "other/17")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    home = tmp_path / "media"
    for key in KEYS:
        put(home, key)
    return home


def put(root: Path, key: str, body: bytes = b"sound") -> Path:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def clips(root: Path, template: str = "voice/{profile}/{clip}.wav", **options: object) -> Store:
    return open_store("media", {"url": str(root), **options}, [Layout("clips", template)])


def of(*profiles: str, **more: Span) -> Selector:
    return Selector("clips", any_of={"profile": frozenset(profiles)} if profiles else {}, within=more)


def located(store: Store, selector: Selector) -> list[str]:
    return [address for batch in store.locate(selector) for address in batch.addresses]


def erase(store: Store, selector: Selector) -> list[int]:
    return list(store.erase(Step("clips", Method.DELETE, selector, tuple(located(store, selector)))))


def keys(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() or path.is_symlink()}


def test_siblings_stay_and_empty_folders_go(root: Path) -> None:
    store = clips(root)
    assert erase(store, of("17")) == [2]
    assert keys(root) == set(KEYS) - {"voice/17/a.wav", "voice/17/b.wav"}
    erase(store, of("170"))
    assert not (root / "voice/170").exists()
    erase(store, of("17", "18"))
    (root / "voice/17/a.wav.bak").unlink()
    assert (root / "voice").exists()


def test_old_versions_without_a_live_file_are_found_told_and_erased(root: Path) -> None:
    for number in (1, 2):
        put(root, f".versions/voice/17/gone.wav/{number}", b"what was said")
    put(root, ".versions/voice/18/gone.wav/1")
    store = clips(root, versions="folder")
    assert located(store, of("17")) == ["voice/17/a.wav", "voice/17/b.wav", "voice/17/gone.wav"]
    residue = store.verify(of("17"))
    assert (residue.live, residue.history) == (2, 2)
    erase(store, of("17"))
    assert keys(root / ".versions") == {"voice/18/gone.wav/1"}
    store.reclaim(of("18"))
    assert not (root / ".versions").exists()
    assert (root / "voice/18/a.wav").exists()


def test_one_name_may_be_a_file_and_a_folder_in_versions(root: Path) -> None:
    for key in (".versions/voice/17/a.wav/1", ".versions/voice/17/a.wav/b.wav/1", ".versions/voice/17/a.wav/9"):
        put(root, key)
    store = clips(root, "voice/{clip:path}.wav", versions="folder")
    found = located(store, Selector("clips", any_of={"clip": frozenset({"17/a", "17/a.wav/b"})}))
    assert found == ["voice/17/a.wav", "voice/17/a.wav/b.wav"]


def test_without_the_option_dot_versions_is_a_folder_like_any_other(root: Path) -> None:
    put(root, ".versions/voice/17/gone.wav/1")
    names = {shape.name: shape.about for shape in clips(root).describe()}
    assert names == {"clips": 4, "(unlisted)": 3}


def test_describe_lists_fields_and_what_no_template_takes(root: Path) -> None:
    shape, unlisted = clips(root).describe()
    assert {field.name: field.type for field in shape.fields} == {
        "profile": FieldType.TEXT,
        "clip": FieldType.TEXT,
        "key": FieldType.TEXT,
        "last_modified": FieldType.TIME,
        "body": FieldType.OTHER,
    }
    assert (shape.about, unlisted.name, unlisted.about) == (4, "(unlisted)", 2)
    assert [one.name for one in clips(root, "{all:path}").describe()] == ["clips"]


def test_single_items_are_selected_by_key(root: Path) -> None:
    chosen = Selector("clips", any_of={"key": frozenset({"voice/17/a.wav", "other/17", "voice/18/"})})
    assert located(clips(root), chosen) == ["voice/17/a.wav"]
    assert clips(root).verify(chosen).live == 1


def test_times_are_those_of_the_newest_content(root: Path) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for path, hours in ((root / "voice/17/a.wav", 0), (root / "voice/17/b.wav", 2), (put(root, ".versions/voice/17/b.wav/1"), -5)):
        os.utime(path, (0, (noon + timedelta(hours=hours)).timestamp()))
    store = clips(root, versions="folder")
    before = of("17", last_modified=Span(None, noon + timedelta(hours=1)))
    assert located(store, before) == ["voice/17/a.wav"]
    assert store.verify(before).history == 0
    after = of("17", last_modified=Span(noon + timedelta(hours=1), None))
    assert located(store, after) == ["voice/17/b.wav"]
    assert store.verify(after).history == 1
    exactly = Selector("clips", any_of={"last_modified": frozenset({noon})})
    assert located(store, exactly) == ["voice/17/a.wav"]
    assert store.verify(exactly).live == 1


def test_a_date_in_the_key_is_a_time(tmp_path: Path) -> None:
    for key in ("day/2026-03-01/17.wav", "day/2026-03-02/17.wav", "day/soon/17.wav"):
        put(tmp_path, key)
    store = clips(tmp_path, "day/{day}/{profile}.wav")
    assert located(store, of("17", day=Span(datetime(2026, 3, 2, tzinfo=UTC), None))) == ["day/2026-03-02/17.wav"]


def test_an_unknown_speaker_is_still_in_the_household(tmp_path: Path) -> None:
    put(tmp_path, "voice/12/-a.wav")
    store = clips(tmp_path, "voice/{house}/{profile}-{clip}.wav")
    (batch,) = store.locate(Selector("clips", any_of={"house": frozenset({12})}), ("profile", "clip"))
    assert batch.carried == {"profile": ("",), "clip": ("a",)}


def test_a_key_that_reads_in_two_ways_is_an_error_only_if_it_matters(tmp_path: Path) -> None:
    for key in ("voice/12/x-y-z.wav", "voice/12/a-b.wav"):
        put(tmp_path, key)
    store = clips(tmp_path, "voice/{house}/{profile}-{clip}.wav")
    assert located(store, of("a")) == ["voice/12/a-b.wav"]
    for profile in ("x", "x-y"):
        with pytest.raises(Drift):
            located(store, of(profile))
        assert store.verify(of(profile)).live == 1


def test_a_name_that_is_no_utf8_is_found_and_erased(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/voice/17/caf\xe9.wav"
    put(tmp_path, "voice/17/a.wav")
    with open(path, "wb") as file:  # noqa: PTH123 - the name is bytes
        file.write(b"sound")
    store = clips(tmp_path)
    addresses = located(store, of("17"))
    assert [address.encode() for address in addresses] == [b"voice/17/a.wav", b"\0" + path[len(os.fsencode(tmp_path)) + 1 :].hex().encode()]
    assert erase(store, of("17")) == [2]
    assert keys(tmp_path) == set()


def test_links_inside_are_keys_or_aliases_and_links_outside_are_an_error(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path, "elsewhere/17/c.wav")
    (root / "latest").symlink_to(root / "voice")
    (root / "voice/17/link.wav").symlink_to(root / "other/17")
    store = clips(root)
    assert len(located(store, of("17"))) == 3
    assert store.verify(of("17")).live == 3
    erase(store, of("17"))
    assert (root / "other/17").exists()
    (root / "voice/19").symlink_to(outside.parent)
    assert located(store, of("18")) == ["voice/18/a.wav"]
    for deed in (lambda: located(store, of("19")), lambda: store.verify(of("19")), store.describe):
        with pytest.raises(Drift):
            deed()
    assert outside.exists()


def test_an_address_never_leads_out_of_the_root(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path, "secret.wav")
    for address in ("../secret.wav", "voice/../../secret.wav", str(outside), "", "voice//a.wav", "a\0b"):
        with pytest.raises(Drift):
            list(clips(root).erase(Step("clips", Method.DELETE, of("17"), (address,))))
    assert outside.exists()


def test_a_folder_where_a_file_should_be_is_refused(root: Path) -> None:
    (root / "voice/18/b.wav").mkdir()
    with pytest.raises(Refused):
        list(clips(root).erase(Step("clips", Method.DELETE, of("18"), ("voice/18/b.wav",))))


def test_a_missing_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    for deed in (lambda store: located(store, of("17")), lambda store: store.verify(of("17")), lambda store: store.describe()):
        with pytest.raises(Drift):
            deed(clips(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    (shape,) = clips(tmp_path / "empty").describe()
    assert shape.about == 0
    assert located(clips(tmp_path / "empty"), of("17")) == []


def test_read_gives_the_bytes(root: Path) -> None:
    store = clips(root)
    assert isinstance(store, Reader)
    assert isinstance(store, Counter)
    assert store.statements == 0
    (record,) = store.read("clips", ["voice/17/a.wav", "voice/17/gone.wav"])
    assert (record.body, record.filename, record.fields["profile"]) == (b"sound", "a.wav", "17")


def test_file_urls(root: Path) -> None:
    moved = root.rename(root.with_name("with blank"))
    store = open_store("media", {"url": moved.as_uri()}, [Layout("clips", "voice/{profile}/{clip}.wav")])
    assert len(located(store, of("17"))) == 2


@pytest.mark.parametrize(
    "templates",
    [
        ("voice/{a}/{b}.wav", "voice/{c}/x-{d}.wav"),
        ("{a:path}", "voice/{c}"),
        ("x/{a:int}.wav", "x/{b}.wav"),
        ("x/{a}", "x/{b:uuid}"),
    ],
)
def test_two_templates_that_could_take_one_key_are_an_error(tmp_path: Path, templates: tuple[str, str]) -> None:
    with pytest.raises(Drift, match="'one' as well as to 'two'"):
        open_store("media", {"url": str(tmp_path)}, [Layout(name, text) for name, text in zip(("one", "two"), templates, strict=True)])


@pytest.mark.parametrize(
    "template",
    [
        "",
        "voice/a.wav",
        "{a}{b}",
        "{a",
        "a}",
        "{}",
        "{a b}",
        "{a:float}",
        "{a:int:x}",
        "{a}/{a:int}",
        "{key}/x",
        "{body}",
        "x/{last_modified}",
    ],
)
def test_templates_that_say_nothing_are_errors(tmp_path: Path, template: str) -> None:
    with pytest.raises(Drift):
        clips(tmp_path, template)


def test_what_is_not_declared_is_an_error(root: Path) -> None:
    store = clips(root)
    with pytest.raises(UnknownStore):
        list(store.locate(Selector("clipz", any_of={"profile": frozenset({"17"})})))
    with pytest.raises(Drift):
        list(store.locate(Selector("clips", any_of={"body": frozenset({"sound"})})))
    with pytest.raises(Drift):
        open_store("media", {}, [])
