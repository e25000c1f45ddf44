"""What is made when a policy is opened is nobody else's to read, and what nobody declared is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import expunge
from expunge.errors import PolicyInvalid, UnknownStore
from tests.faults.killing import Place, build


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return build(tmp_path / "estate", f"sqlite:///{tmp_path}/estate/app.db")


def test_secrets_and_control_files_are_private(place: Place) -> None:
    with expunge.open(place.folder / "expunge.yaml", env=place.environment) as library:
        library.erase(["child:11"])
    state = place.folder / "state"
    private = [
        state / "external.key",
        state / "journal.db",
        state / "keys.db",
        state / "evidence/tombstones",
        state / "evidence/tombstones.key",
    ]
    private += [*(state / "roots").glob("*.key"), *(state / "roots").glob("*.root"), *(state / "evidence/signers").glob("*.key")]
    for path in private:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name
    assert len(private) > 8


def test_an_unknown_setting_is_refused(place: Place) -> None:
    with pytest.raises(PolicyInvalid, match="EXPUNGE_LEESE: is not a setting; did you mean EXPUNGE_LEASE"):
        expunge.open(place.folder / "expunge.yaml", env={**place.environment, "EXPUNGE_LEESE": "3"})


def test_a_store_that_nobody_lists_is_an_error(place: Place) -> None:
    with (
        expunge.open(place.folder / "expunge.yaml", env=place.environment) as library,
        pytest.raises(UnknownStore, match="it lists app, media"),
    ):
        library.discover("meida")
