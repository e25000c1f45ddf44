"""The vault against a dict: whatever is done in whatever order, every number is what the dict says."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from expunge.errors import KeyDestroyed, KeySealed, KeyStoreUnavailable
from expunge.keys.external import EnvironmentSecret
from expunge.keys.vault import Vault
from expunge.testing.clock import FakeClock

EXTERNAL = EnvironmentSecret.read("ROOT", {"ROOT": base64.b64encode(bytes(32)).decode()})
NUMBERS = st.sampled_from([0, 1, 2, 1023, 1024, 1025, 4096])
SOME = st.lists(NUMBERS, max_size=5)
SPACE = st.sampled_from(["subject", "run"])


class VaultMachine(RuleBasedStateMachine):
    """``states`` is the oracle; ``sealed`` is what was sealed under each key while it was readable."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.states: dict[tuple[str, int], str] = {}
        self.sealed: dict[tuple[str, int], bytes] = {}
        self.salts: dict[tuple[str, int], bytes] = {}

    @initialize()
    def begin(self) -> None:
        self.vault = self._open()

    def _open(self) -> Vault:
        return Vault.open(f"sqlite:///{self.folder}/keys.db", self.folder / "roots", EXTERNAL, self.clock)

    def teardown(self) -> None:
        self.vault.close()
        shutil.rmtree(self.folder)

    @rule(space=SPACE, numbers=SOME)
    def make(self, space: str, numbers: list[int]) -> None:
        self.vault.make(space, numbers)
        for number in numbers:
            self.states.setdefault((space, number), "live")

    @rule(space=SPACE, numbers=SOME)
    def hide(self, space: str, numbers: list[int]) -> None:
        self.vault.hide(space, numbers)
        self._turn(space, numbers, "live", "hidden")

    @rule(space=SPACE, numbers=SOME)
    def unhide(self, space: str, numbers: list[int]) -> None:
        self.vault.unhide(space, numbers)
        self._turn(space, numbers, "hidden", "live")

    @rule(space=SPACE, numbers=SOME)
    def destroy(self, space: str, numbers: list[int]) -> None:
        self.vault.destroy(space, numbers)
        for number in numbers:
            self.states[space, number] = "destroyed"

    @rule()
    def close_epoch(self) -> None:
        when = self.clock.tick()
        assert self.vault.close_epoch() == when == self.vault.open_epoch_since()
        assert len(list((self.folder / "roots").glob("root-*"))) == 1

    @rule()
    def reopen(self) -> None:
        self.vault.close()
        self.vault = self._open()

    @rule(space=SPACE, number=NUMBERS)
    def use(self, space: str, number: int) -> None:
        state = self.states.get((space, number), "never")
        refusal = {"hidden": KeySealed, "destroyed": KeyDestroyed, "never": KeyDestroyed}.get(state)
        if refusal is None:
            self.sealed[space, number] = self.vault.seal(space, number, b"%d" % number, bound_to=space.encode())
        else:
            with pytest.raises(refusal):
                self.vault.seal(space, number, b"", bound_to=b"")

    @precondition(lambda self: self.states)
    @rule()
    def an_older_copy_opens_nothing_after_a_close(self) -> None:
        copy = self.folder / "copy"
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("roots", "copy"))
        self.clock.tick()
        self.vault.close_epoch()
        with pytest.raises(KeyStoreUnavailable):
            Vault.open(f"sqlite:///{copy}/keys.db", self.folder / "roots", EXTERNAL, self.clock)
        shutil.rmtree(copy)

    @invariant()
    def every_number_is_what_the_oracle_says(self) -> None:
        for space in ("subject", "run"):
            known = {number: state for (of, number), state in self.states.items() if of == space}
            salts = self.vault.salts(space, [*known, 9999])
            assert set(salts) == {number for number, state in known.items() if state != "destroyed"}
            for number, salt in salts.items():
                assert self.salts.setdefault((space, number), salt) == salt
            readable = {number: one for (of, number), one in self.sealed.items() if of == space and known[number] != "hidden"}
            plain = {number: b"%d" % number for number in readable if known[number] == "live"}
            assert self.vault.unseal_each(space, readable, bound_to=space.encode()) == plain

    def _turn(self, space: str, numbers: list[int], old: str, new: str) -> None:
        for number in numbers:
            if self.states.get((space, number)) == old:
                self.states[space, number] = new


VaultMachine.TestCase.settings = settings(deadline=None, derandomize=True, max_examples=15, stateful_step_count=20)
TestVault = VaultMachine.TestCase
