"""Commands of the program in this process: a new one takes seconds to import what is imported here already."""

from __future__ import annotations

import pytest

from expunge.cli import show
from expunge.cli.main import invoke
from tests.erase.toy import Said, toy
from tests.faults.killing import Place
from tests.holds.said import Command


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The toy estate."""
    return toy(tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture
def command(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``expunge WORDS`` in the estate's folder."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(show.out, "_width", 250)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Said:
        capsys.readouterr()
        status = invoke(words)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run
