"""A thousand interleavings of erasing, publishing, copying and training: no record is admitted later than its tombstone's bound.

One thread, so that a run is given by its seed. Whatever the others may do happens at the publisher's own steps: each time it writes a file,
and between what it reads and what it writes. Workers read the folder itself, or a copy of it that lags behind or was copied half.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from expunge import durable
from expunge.errors_gate import EpochUntrusted, GateClosed, StaleEpoch
from expunge.gate import files
from expunge.gate.building import Stoned, build
from expunge.gate.epoch import STALE_AFTER, Epoch
from expunge.gate.gate import Gate
from tests.gate.world import World

ROUNDS = 1_000
STEPS = 8
EVERYBODY = range(100, 110)
TABLE = pa.table({"child_id": list(EVERYBODY)})


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: a thousand rounds make 200,000 files, and no disk is what is tested."""
    shared = Path("/dev/shm")  # Linux
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


class Killed(BaseException):
    """The publisher was killed at a step."""


class Play:
    """One interleaving."""

    def __init__(self, world: World, random_: random.Random, told: Counter[str]) -> None:
        self.world, self.random, self.told = world, random_, told
        self.laid: dict[int, Stoned] = {}
        self.copy = world.at.parent / "copy"
        self.workers: list[Gate | None] = [None, None]
        self.deadly = False

    def others(self) -> None:
        """What anybody but the publisher may do now."""
        for _ in range(self.random.randrange(3)):
            self.random.choice((self.erase, self.train, self.train, self.sync, self.wait))()

    def erase(self) -> None:
        key = self.random.choice(EVERYBODY)
        now = self.world.clock.now()
        self.laid.setdefault(key, Stoned(key - 99, (), now))

    def wait(self) -> None:
        self.world.clock.tick(timedelta(seconds=self.random.choice((1, 5, 14, 16, 35))))

    def sync(self) -> None:
        """A worker's copy of the folder: sometimes files only, sometimes the note first, sometimes the whole."""
        what = self.random.choice(("files", "note", "whole"))
        if what != "note" and (self.world.at / "files").exists():
            shutil.copytree(self.world.at / "files", self.copy / "files", dirs_exist_ok=True)
        if what != "files" and (self.world.at / "epoch.note").exists():
            self.copy.mkdir(exist_ok=True)
            shutil.copy(self.world.at / "epoch.note", self.copy / "epoch.note")

    def train(self) -> None:
        which = self.random.randrange(2)
        try:
            held = self.workers[which]
            if held is None or self.random.random() < 0.2:
                held = self.workers[which] = self.world.gate(self.copy if which else None)
            mask = held.mask(TABLE, subject="child_id")
        except (GateClosed, StaleEpoch, EpochUntrusted) as fault:
            self.told[fault.code] += 1
            return
        now = self.world.clock.now()
        for key, admitted in zip(EVERYBODY, mask, strict=True):
            stone = self.laid.get(key)
            if admitted and stone is not None and stone.before is not None:
                assert now <= stone.before + STALE_AFTER, "admitted after its tombstone's bound"
                self.told["admitted within the bound"] += 1
            self.told["admitted" if admitted else "refused"] += 1

    def publish(self) -> None:
        """As the publisher does it: it notes the time, reads, writes, announces."""
        began = self.world.clock.now()
        self.others()
        stones = tuple(self.laid.values())
        self.others()
        self.world.facts = type(self.world.facts)(
            **{name: getattr(self.world.facts, name) for name in self.world.facts.__slots__} | {"published_at": began, "stones": stones}
        )
        self.deadly = self.random.random() < 0.3
        try:
            self.world.previous = build(self.world.at, self.world.previous, self.world.facts, self.world.signer)
        except Killed:
            self.told["killed"] += 1
            self.world.previous = self.newest()

    def newest(self) -> Epoch | None:
        try:
            return Epoch.verified(files.read_note(self.world.at), self.world.signer.key)
        except GateClosed:
            return None

    def write(self, path: Path, content: bytes, **_how: object) -> None:
        """In place of the durable write, whose syncs no interleaving can see."""
        if self.deadly and self.random.random() < 0.15:
            path.write_bytes(bytes(content)[: len(content) // 2])
            raise Killed
        path.write_bytes(content)
        self.others()


@pytest.mark.slow
def test_no_record_is_admitted_after_its_tombstones_bound(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Counter[str] = Counter()
    for module in (files, durable):
        monkeypatch.setattr(module, "sync_folder", lambda _folder: None)
    for seed in range(ROUNDS):
        folder = memory / str(seed)
        play = Play(World(folder / "epochs"), random.Random(seed), told)
        monkeypatch.setattr(files, "write_synced", play.write)
        for _ in range(STEPS):
            play.random.choice((play.publish, play.erase, play.train, play.wait, play.sync))()
        shutil.rmtree(folder)
    assert told["admitted within the bound"] > 1_000, "races were met"
    assert min(told[one] for one in ("admitted", "refused", "killed", "gate-stale", "gate-closed")) > 100


@pytest.mark.parametrize("step", range(12))
def test_a_publisher_killed_at_any_write_leaves_the_epoch_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    world = World(tmp_path / "epochs")
    world.publish()
    written = 0
    real = durable.write_synced

    def write(path: Path, content: bytes, *, mode: int) -> None:
        nonlocal written
        written += 1
        if written > step:
            real(path, content[: len(content) // 2], mode=mode)
            raise Killed
        real(path, content, mode=mode)

    monkeypatch.setattr(files, "write_synced", write)
    try:
        world.stone(Stoned(1, (), None), Stoned(2, ("user",), None))
        killed = False
    except Killed:
        killed = True
    monkeypatch.setattr(files, "write_synced", real)
    held = world.gate()
    assert held.epoch.number == (1 if killed else 2)
    assert held.mask(pa.table({"child_id": [100, 103]}), subject="child_id").tolist() == [killed, True]
    world.stone(Stoned(1, (), None))
    assert not world.gate().mask(pa.table({"child_id": [100]}), subject="child_id").any()
