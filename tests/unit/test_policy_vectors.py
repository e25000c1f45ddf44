"""Every way to get a policy wrong that we know of, by name, with the exact message: `NAME_fail.yaml` and `NAME_fail.txt`."""

import re
from pathlib import Path

import pytest

from expunge.errors import PolicyInvalid
from expunge.policy.load import load

VECTORS = Path(__file__).parents[1] / "vectors" / "policy"
NAMES = sorted(path.stem for path in VECTORS.glob("*_fail.yaml"))
LINE = re.compile(r"[\w./-]+:\d+:\d+: [^:]+: .+")


@pytest.mark.parametrize("name", NAMES)
def test_wrong_policy_is_refused_with_its_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(VECTORS)
    with pytest.raises(PolicyInvalid) as caught:
        load(Path(f"{name}.yaml"), {})
    message = str(caught.value)
    assert message + "\n" == (VECTORS / f"{name}.txt").read_text(encoding="utf-8")
    assert all(LINE.fullmatch(line) for line in message.splitlines())
    assert [str(problem) for problem in caught.value.problems] == message.splitlines()


def test_there_are_vectors() -> None:
    assert len(NAMES) >= 25


def test_every_place_named_is_a_place_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(VECTORS)
    for message in VECTORS.glob("*_fail.txt"):
        for line in message.read_text(encoding="utf-8").splitlines():
            file, row, column = line.split(": ", 1)[0].rsplit(":", 2)
            lines = [*(VECTORS / file).read_bytes().decode("utf-8", "replace").splitlines(), ""]
            assert 1 <= int(row) <= len(lines)
            assert 1 <= int(column) <= len(lines[int(row) - 1]) + 1
