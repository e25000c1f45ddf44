"""A typo in a key must never mean "as if it were not there": whichever key is mutated, it is refused or warned of, or it still counts."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.errors import PolicyInvalid
from expunge.policy.load import load
from expunge.policy.model import Policy

HOME = Path(__file__).parents[2] / "examples" / "home"
FILES = {
    str(path.relative_to(HOME)): yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in [HOME / "expunge.yaml", *sorted((HOME / "datasets").glob("*.yml"))]
}


def keys(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*path, key)
            yield from keys(value, (*path, key))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from keys(value, (*path, index))


DUMPER = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
PLACES = [(file, path) for file, content in FILES.items() for path in keys(content)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(HOME, tmp_path_factory.mktemp("home") / "home", ignore=shutil.ignore_patterns("media", "*.py", "data"))


@st.composite
def slips(draw: st.DrawFn, key: str) -> str:
    """One slip of the finger: a letter lost, added or changed, capitals, or a word more."""
    at = draw(st.integers(0, len(key) - 1))
    letter = draw(st.sampled_from("abcxyz_-S"))
    return draw(
        st.sampled_from(
            [
                key[:at] + key[at + 1 :],
                key[:at] + letter + key[at:],
                key[:at] + letter + key[at + 1 :],
                key.swapcase(),
                f"{key}_x",
                f"x{key}",
            ]
        )
    )


@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_no_mutated_key_is_dropped_silently(folder: Path, drawn: st.DataObject) -> None:
    file, path = drawn.draw(st.sampled_from(PLACES))
    content = copy.deepcopy(FILES[file])
    holder: Any = content
    for part in path[:-1]:
        holder = holder[part]
    key = drawn.draw(slips(path[-1]))
    if key in holder or not key:
        return
    holder[key] = holder.pop(path[-1])
    try:
        policy = load_with(folder, file, content)
    except PolicyInvalid:
        return
    told = [problem.path for problem in policy.warnings]
    assert any(key in one for one in told) or is_a_name(path, key, policy), (file, path, key)


def load_with(folder: Path, file: str, content: Any) -> Policy:
    """The example's policy with one file replaced."""
    (folder / file).write_text(yaml.dump(content, Dumper=DUMPER, sort_keys=False, allow_unicode=True), encoding="utf-8")
    try:
        return load(folder / "expunge.yaml", {})
    finally:
        shutil.copyfile(HOME / file, folder / file)


def is_a_name(path: tuple[Any, ...], key: str, policy: Policy) -> bool:
    """Names are free: a store, purpose or role called otherwise still counts, under its new name."""
    named = {"stores": policy.catalog.stores, "purposes": policy.purposes, "access": policy.access, "subjects": policy.catalog.kinds}
    return (len(path) == 2 and key in named.get(path[0], {})) or (len(path) > 2 and path[-2] == "repoint")
