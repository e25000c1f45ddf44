"""What the gate lets through, in every form in which samples come; and that it stops where it can't know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge import gate
from expunge.errors_gate import (
    EpochUntrusted,
    GateClosed,
    GateError,
    NotEnrolled,
    RecordWithdrawn,
    StaleEpoch,
    SubjectColumn,
    Unattributed,
    UnknownPurpose,
)
from expunge.evidence.signing import Signer
from expunge.gate import Reason
from expunge.gate.building import Stoned
from expunge.gate.gate import Gate, Item
from expunge.gate.kernel import hash_texts
from tests.gate.world import VOICE, World, numbers, spoil

OLD = datetime(2025, 12, 20, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "epochs")
    made.publish()
    return made


def keys(left: Any, column: str = "child_id") -> list[object]:
    return [key for batch in left for key in batch[column].to_pylist()]


def test_the_hash_is_siphash_2_4() -> None:
    # The vector of the paper's appendix A.
    out = np.zeros(1, np.uint64)
    k0, k1 = (np.uint64(int.from_bytes(bytes(range(at, at + 8)), "little")) for at in (0, 8))
    hash_texts(k0, k1, np.frombuffer(bytes(range(15)), np.uint8), np.array([0, 15]), out)
    assert out[0] == 0xA129CA6149BE45E5


def test_the_two_lines_of_the_page_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/gate.md").read_text(encoding="utf-8")
    lines = page.split("```python\n", 1)[1].split("```", 1)[0]
    world.clock.set(datetime.now(UTC))
    world.publish(hidden=numbers(2))
    pq.write_table(pa.table({"child_id": [100, 101, 102], "features": [[0.5], [0.25], [0.125]]}), tmp_path / "clips.parquet")
    monkeypatch.setenv("EXPUNGE_GATE_PASS", str(world.pass_file))
    trained: list[Any] = []
    names = {"dataset": ds.dataset(tmp_path / "clips.parquet"), "folder": world.at, "train": trained.append}
    exec(lines, names)  # the page's own lines are what is tested
    assert keys(trained) == [100, 102]


def test_batches_lose_who_is_refused_and_the_tally_says_why(world: World) -> None:
    world.publish(hidden=numbers(2), held=numbers(3), agreed={"improve": numbers(1, 2, 3, 4, 5)}, stones=(Stoned(5, (), None),))
    held = world.gate()
    batch = pa.record_batch({"child_id": [100, 101, 102, 103, 104, 105], "x": np.arange(6.0)})
    assert keys(held.batches([batch], subject="child_id")) == [100, 103]
    told = {"admitted": 2, "erased": 1, "hidden": 1, "held for viewing only": 1, "no consent": 1}
    assert held.tally.as_json() == {"logging_only": False, **told}
    assert held.tally.refused == 4


def test_a_batch_of_which_nobody_is_refused_is_not_copied(world: World) -> None:
    batch = pa.record_batch({"child_id": [100, 101]})
    assert next(world.gate().batches([batch], subject="child_id")) is batch
    assert not list(world.gate(unknown="refuse").batches([pa.record_batch({"child_id": [1]})], subject="child_id"))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["u0", "u3", "u1"]),
        pa.array(["u0", "u3", "u1"], pa.large_string()),
        pa.array(["u0", "u3", "u1"], pa.string_view()),
        pa.array(["u0", "u3", "u1"]).dictionary_encode(),
        pa.chunked_array([["u0"], ["u3", "u1"]]),
        pa.array(["u9", "u0", "u3", "u1"])[1:],
        pa.DictionaryArray.from_arrays(pa.array([0, 2, 1], pa.int8()), pa.array(["u0", "u1", "u3", None])),
    ],
    ids=["string", "large", "view", "dictionary", "chunks", "slice", "null-in-dictionary"],
)
def test_texts_are_known_however_arrow_holds_them(world: World, column: Any) -> None:
    world.publish(hidden=numbers(14))
    mask = world.gate(kind="user").mask(pa.table({"user_id": column}), subject="user_id")
    assert mask.tolist() == [True, False, True]


@pytest.mark.parametrize("type_", [pa.int64(), pa.int32(), pa.uint8(), pa.uint64()])
def test_whole_numbers_are_known_at_every_width(world: World, type_: Any) -> None:
    world.publish(hidden=numbers(2))
    assert world.gate().mask(pa.table({"child_id": pa.array([100, 101], type_)}), subject="child_id").tolist() == [True, False]


def test_dense_numbers_are_taken_as_they_are(world: World) -> None:
    world.publish(hidden=numbers(2))
    table = pa.table({"n": pa.array([1, 2, 11, 0, 21, 2**40, -1, 8_000_000], pa.int64())})
    held = world.gate(dense=True, unknown="refuse")
    assert held.mask(table, subject="n").tolist() == [True] + [False] * 7
    assert held.tally.counts[Reason.UNKNOWN] == 6, "a user's number is no child's"


def test_records_past_their_term_are_out(world: World) -> None:
    now = world.clock.now()
    times = [now - timedelta(days=29), now - timedelta(days=31), None]
    table = pa.table({"child_id": [100, 100, 100], "at": pa.array(times, pa.timestamp("ms", "Europe/Berlin"))})
    held = world.gate(category=VOICE)
    assert held.mask(table, subject="child_id", captured="at").tolist() == [True, False, False]
    assert held.tally.counts[Reason.EXPIRED] == 2
    with pytest.raises(SubjectColumn, match="30 days after its capture"):
        held.mask(table, subject="child_id")
    assert world.gate(category="user.behavior").mask(table, subject="child_id").all(), "it has no end"


def test_a_voiceprint_needs_its_own_yes(world: World) -> None:
    world.publish(templates=(VOICE,), template={"improve": numbers(1)})
    table = pa.table({"child_id": [100, 101], "at": pa.array([OLD, OLD], pa.timestamp("us", "UTC"))})
    for category, admitted in ((None, 1), (VOICE, 1), ("user.behavior", 2)):
        assert world.gate(category=category).mask(table, subject="child_id", captured="at").sum() == admitted


def test_a_tombstone_speaks_of_its_category_time_and_record(world: World) -> None:
    later = OLD + timedelta(days=1)
    table = pa.table({"child_id": [100, 100], "clip": ["a", "b"], "at": pa.array([OLD, later], pa.timestamp("us", "UTC"))})

    def mask(category: str | None, **named: Any) -> list[bool]:
        return world.gate(category=category).mask(table, subject="child_id", **named).tolist()  # type: ignore[no-any-return]  # numpy says Any

    world.stone(Stoned(1, ("user.biometric",), later))
    assert mask(VOICE, captured="at") == [False, True]
    assert mask("user.behavior", captured="at") == [True, True]
    assert mask("user.behavior") == [True, True]
    assert mask(None) == [False, False], "what is not known of a record counts against it"
    world.clock.tick()
    assert mask(None, captured="at") == [False, True]
    from expunge.gate.columns import hashes_of
    from expunge.gate.keys import halves
    from tests.gate.world import KEY

    item = int(hashes_of(pa.array(["b"]), halves(KEY, "item/app.clips"), integers=False, name="item")[0])
    world.stone(Stoned(1, (), None, item))
    assert mask("user.behavior", item=Item("app.clips", "clip")) == [True, False]
    assert mask("user.behavior", item=Item("app.photos", "clip")) == [True, True]
    assert mask("user.behavior") == [False, False]


def test_plain_iterators_pairs_and_datasets(world: World) -> None:
    world.publish(hidden=numbers(2))
    samples = [{"child_id": 100 + n % 3, "n": n} for n in range(2_500)]
    passing = world.gate().records(samples, subject="child_id")
    assert [one["n"] for one in passing] == [n for n in range(2_500) if n % 3 != 1]
    assert len(list(passing)) == len(list(passing)), "a dataset is gone through once per epoch of training"
    assert list(world.gate().records(samples[:3], subject=lambda one: one["child_id"])) == [samples[0], samples[2]]
    assert list(world.gate().pairs([(100, "a"), (101, "b")])) == ["a"]
    dated = [{"child_id": 100, "at": OLD}, {"child_id": 100, "at": OLD - timedelta(days=60)}]
    assert list(world.gate(category=VOICE).records(dated, subject="child_id", captured="at")) == dated[:1]


class Clips:
    """A map-style dataset as PyTorch takes it: `__len__` and `__getitem__`."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> str:
        return f"clip {place}"


def test_a_map_style_view_judges_a_sample_again_when_it_is_asked_for(world: World) -> None:
    world.publish(hidden=numbers(2))
    view = world.gate().view(Clips(), subjects=np.array([100, 101, 102]))
    assert [view[place] for place in range(len(view))] == ["clip 0", "clip 2"]
    world.clock.tick(timedelta(seconds=20))
    world.stone(Stoned(3, (), None))
    world.clock.tick(timedelta(seconds=20))
    assert view[0] == "clip 0"
    with pytest.raises(RecordWithdrawn, match="erased"):
        view[-1]
    with pytest.raises(SubjectColumn, match="2 subjects for 3 samples"):
        world.gate().view(Clips(), subjects=[100, 101])


def test_a_scanner_is_filtered_as_it_goes(world: World, tmp_path: Path) -> None:
    world.publish(hidden=numbers(1))
    pq.write_table(pa.table({"child_id": [100, 101] * 500, "x": np.arange(1_000)}), tmp_path / "a.parquet", row_group_size=100)
    left = list(world.gate().batches(ds.dataset(tmp_path / "a.parquet").to_batches(), subject="child_id"))
    assert set(keys(left)) == {101}
    assert sum(len(one) for one in left) == 500


def test_logging_only_lets_through_and_counts(world: World) -> None:
    world.publish(hidden=numbers(2))
    held = world.gate(logging_only=True)
    assert keys(held.batches([pa.record_batch({"child_id": [100, 101, 7]})], subject="child_id")) == [100, 101, 7]
    assert held.tally.as_json() == {"logging_only": True, "admitted": 1, "hidden": 1, "unknown subject": 1}


def test_a_subject_erased_meanwhile_is_out_after_the_next_look(world: World) -> None:
    held = world.gate()
    table = pa.table({"child_id": [100]})

    def batches() -> Iterator[Any]:
        for _ in range(4):
            yield table
            world.clock.tick(timedelta(seconds=10))
            world.stone(Stoned(1, (), None))

    assert len(list(held.batches(batches(), subject="child_id"))) == 2, "looked for every 15 s"


CLOSED: dict[str, tuple[type[GateError], str, Callable[[World], object]]] = {
    "no folder": (GateClosed, "no epoch here", lambda world: world.gate(world.at / "nowhere")),
    "a bucket": (GateClosed, "mount the bucket", lambda world: gate.open("improve", "s3://bucket/gate", pass_file=world.pass_file)),
    "no pass": (GateClosed, "pass_file=", lambda world: gate.open("improve", world.at)),
    "no such pass": (GateClosed, "can't be read", lambda world: world.gate(pass_file=world.at / "none")),
    "not a pass": (GateClosed, "no pass of a gate", lambda world: world.gate(pass_file=world.at / "epoch.note")),
    "stale": (StaleEpoch, "61 s ago and holds for 60 s", lambda world: (world.clock.tick(timedelta(seconds=61)), world.gate())),
    "future": (StaleEpoch, "10 s ahead of this clock", lambda world: (world.clock.tick(timedelta(seconds=-10)), world.gate())),
    "note": (EpochUntrusted, "not what was signed", lambda world: (spoil(world.at / "epoch.note"), world.gate())),
    "purpose": (UnknownPurpose, "it has improve", lambda world: gate.open("sell", world.at, pass_file=world.pass_file, clock=world.clock)),
    "category": (UnknownPurpose, "no user.name of a child", lambda world: world.gate(category="user.name")),
    "kind": (SubjectColumn, "it has child, user", lambda world: world.gate(kind="cat")),
}


@pytest.mark.parametrize("why", CLOSED)
def test_it_does_not_open_without_an_epoch_that_can_be_relied_on(world: World, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPUNGE_GATE_PASS", raising=False)
    fault, told, do = CLOSED[why]
    with pytest.raises(fault, match=told):
        do(world)


def test_no_file_is_read_that_was_changed(world: World) -> None:
    assert world.previous is not None
    for name, file in world.previous.files.items():
        path = world.at / "files" / file.sha256
        if file.size and not name.endswith("/user"):
            kept = path.read_bytes()
            spoil(path)
            with pytest.raises(EpochUntrusted, match="not what was signed"):
                world.gate()
            path.write_bytes(kept)
    world.gate()


def test_another_signers_epoch_and_an_older_one_are_refused(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other" / "epochs", signer=Signer("toy.example/gate", bytes([1]) * 32))
    other.publish()
    with pytest.raises(EpochUntrusted):
        world.gate(other.at)
    first = (world.at / "epoch.note").read_bytes()
    world.publish()
    held = world.gate()
    (world.at / "epoch.note").write_bytes(first)
    world.clock.tick(timedelta(seconds=20))
    with pytest.raises(EpochUntrusted, match="put in place of"):
        held.mask(pa.table({"child_id": [100]}), subject="child_id")


REFUSED: dict[str, tuple[type[GateError], str, Any]] = {
    "misspelt": (SubjectColumn, "'child_id' is not a column of the batch; it has child", pa.table({"child": [100]})),
    "text for numbers": (SubjectColumn, "is string, and these people's keys are int64", pa.table({"child_id": ["100"]})),
    "real": (SubjectColumn, "is double", pa.table({"child_id": [100.0]})),
    "beyond 64 bits": (SubjectColumn, "beyond 64 bits", pa.table({"child_id": pa.array([2**63], pa.uint64())})),
    "null": (Unattributed, "1 of 2 records name nobody", pa.table({"child_id": [100, None]})),
    "null in a dictionary": (
        Unattributed,
        "1 of 2",
        pa.table({"child_id": pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([100, None]))}),
    ),
    "all null": (Unattributed, "2 of 2", pa.table({"child_id": pa.nulls(2)})),
    "a stranger": (NotEnrolled, "1 of 2 records name people whom epoch 1 does not know", pa.table({"child_id": [100, 5]})),
}


@pytest.mark.parametrize("why", REFUSED)
def test_it_stops_at_a_batch_that_it_cannot_judge(world: World, why: str) -> None:
    fault, told, table = REFUSED[why]
    held = world.gate()
    with pytest.raises(fault, match=told):
        list(held.batches([table], subject="child_id"))
    assert held.tally.admitted == 0


def test_it_says_when_it_is_not_clear_whose_keys_these_are(world: World) -> None:
    held = world.gate(kind=None)
    assert held.mask(pa.table({"user_id": ["u1"]}), subject="user_id").all()
    assert held.mask(pa.table({"child_id": [100]}), subject="child_id").all()
    with pytest.raises(SubjectColumn, match="say kind= one of child, user"):
        held.mask(pa.table({"who": [100]}), subject="who")
    with pytest.raises(SubjectColumn, match="a sample has no 'child_id'; it has kid"):
        list(held.records([{"kid": 1}], subject="child_id"))
    with pytest.raises(SubjectColumn, match="with a time zone"):
        held.mask(pa.table({"child_id": [100], "at": [datetime(2026, 1, 1)]}), subject="child_id", captured="at")  # noqa: DTZ001  # naive on purpose


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=60, unique=True), data=st.data())
def test_every_key_leads_to_its_own_number(texts: list[str], data: st.DataObject) -> None:
    from expunge.gate.columns import hashes_of
    from expunge.gate.kernel import find
    from expunge.gate.roster import table

    hashes = hashes_of(pa.array(texts), (1, 2), integers=False, name="text")
    slots, bits = table(hashes, np.arange(1, len(texts) + 1, dtype=np.uint32))
    asked = data.draw(st.lists(st.sampled_from([*texts, "nobody at all"]), max_size=60))
    out = np.empty(len(asked), np.uint32)
    find(slots, np.uint64(bits), hashes_of(pa.array(asked, pa.string()), (1, 2), integers=False, name="text"), out)
    numbered = {text: number for number, text in enumerate(texts, 1)}
    assert out.tolist() == [numbered.get(one, 0) for one in asked]


def test_keys_that_cannot_be_told_apart_lead_to_nobody() -> None:
    from expunge.gate.kernel import fill, find

    slots, bits = np.zeros(8, np.uint64), np.uint64(5)
    hashes = np.array([1 << 40, 1 << 40 | 1 << 60, 3 << 62], np.uint64)  # the first two differ in a bit that no slot keeps
    assert fill(slots, bits, hashes, np.array([17, 18, 19], np.uint64), np.zeros(8, np.uint32)) == 1
    out = np.empty(3, np.uint32)
    find(slots, bits, hashes, out)
    assert out.tolist() == [0, 0, 19]


def test_a_gate_never_shows_its_key_and_an_empty_batch_is_fine(world: World) -> None:
    held = world.gate()
    assert isinstance(held, Gate)
    assert "Pass(" in repr(held._pass)
    assert not list(held.batches([pa.table({"child_id": pa.array([], pa.int64())})], subject="child_id"))[1:]
