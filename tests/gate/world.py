"""A small world for the gate without stores: people with whole-number or text keys, facts that a test changes, epochs written for real."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from expunge import gate
from expunge.evidence.signing import Signer
from expunge.gate.building import Facts, People, Stoned, build
from expunge.gate.columns import hashes_of
from expunge.gate.epoch import Epoch, Term
from expunge.gate.gate import Gate
from expunge.gate.keys import Pass, halves
from expunge.testing.clock import FakeClock

KEY = bytes(range(32))
VOICE = "user.biometric.voice"
TERMS = (
    Term("child", "improve", VOICE, timedelta(days=30).total_seconds()),
    Term("child", "improve", "user.behavior", None),
    Term("user", "improve", "user.behavior", None),
)


def numbers(*held: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array(held, np.uint32)


def people(kind: str, column: pa.Array, first: int) -> People:
    integers = pa.types.is_integer(column.type)
    hashes = hashes_of(column, halves(KEY, f"kind/{kind}"), integers=integers, name=kind)
    return People(f"{kind}_id", integers, hashes, np.arange(first, first + len(column), dtype=np.uint32))


@dataclass
class World:
    """Children 100…109 have the numbers 1…10, users "u0"…"u9" the numbers 11…20. All agreed to `improve`."""

    at: Path
    clock: FakeClock = field(default_factory=FakeClock)
    signer: Signer = field(default_factory=lambda: Signer("toy.example/gate", bytes(32)))
    previous: Epoch | None = None

    def __post_init__(self) -> None:
        self.at.mkdir(parents=True, exist_ok=True)
        self.pass_file = self.at.parent / "pass.json"
        self.pass_file.write_bytes(Pass(KEY, self.signer.key).to_json())
        everybody = numbers(*range(1, 21))
        known = {"child": people("child", pa.array(range(100, 110)), 1), "user": people("user", pa.array([f"u{n}" for n in range(10)]), 11)}
        self.facts = Facts(
            self.clock.now(), "policy", 0, 0, 20, known, {"improve": everybody}, {"improve": everybody}, numbers(), numbers(), TERMS, ()
        )

    def publish(self, **changes: object) -> Epoch:
        self.facts = replace(self.facts, published_at=self.clock.now(), **changes)  # type: ignore[arg-type]  # by name
        self.previous = build(self.at, self.previous, self.facts, self.signer)
        return self.previous

    def stone(self, *held: Stoned) -> Epoch:
        return self.publish(stones=held)

    def gate(self, at: Path | None = None, **changes: object) -> Gate:
        asked = {"kind": "child", "pass_file": self.pass_file, "clock": self.clock, **changes}
        return gate.open("improve", at or self.at, **asked)  # type: ignore[arg-type]  # by name


def spoil(path: Path) -> Path:
    """Turn one bit of a file."""
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    beside = path.with_name("spoilt")
    beside.write_bytes(held)
    return beside.replace(path)
