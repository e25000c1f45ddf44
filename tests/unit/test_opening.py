"""What is made when a policy is opened is nobody else's to read, and what nobody declared is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import expunge
from expunge.errors import PolicyInvalid, UnknownStore
from expunge.stores.jsonl import JsonLines
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


LOGS = """\
expunge: 1
controller: {name: Toy, contact: privacy@toy.example}
subjects: {user: {key: user_id}}
stores: {logs: {kind: jsonl, path: logs, datasets: [logs.yml]}}
"""
DATASET = """\
dataset:
  - fides_key: logs
    collections:
      - name: app
        meta: {expunge: {path: "*.jsonl"}}
        fields: [{name: user, data_categories: [user.unique_id], fides_meta: {identity: user_id}}]
"""


@pytest.mark.parametrize(("env", "width"), [({}, None), ({"EXPUNGE_WORKERS": "1"}, None), ({"EXPUNGE_WORKERS": "2"}, 2)])
def test_stores_split_their_work_only_where_somebody_said_so(tmp_path: Path, env: dict[str, str], width: int | None) -> None:
    (tmp_path / "expunge.yaml").write_text(LOGS)
    (tmp_path / "logs.yml").write_text(DATASET)
    (tmp_path / "logs").mkdir()
    with expunge.open(tmp_path / "expunge.yaml", env=env) as library:
        store = library.rooms.stores["logs"]
        assert isinstance(store, JsonLines)
        assert (store._crew.fleet and store._crew.width) == width
