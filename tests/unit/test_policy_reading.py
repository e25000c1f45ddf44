"""YAML's form: places, traps, and the bounds that keep a hostile file from costing more than a look."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.policy import reading
from expunge.policy.reading import Document, dotted, read

scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=12)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=20
)


def read_text(folder: Path, text: str) -> tuple[Document | None, list[str]]:
    file = folder / "x.yaml"
    file.write_text(text, encoding="utf-8")
    document, problems = read(file, "x.yaml")
    return document, [str(problem) for problem in problems]


@settings(deadline=None, max_examples=80, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(st.text(max_size=8), trees, max_size=5))
def test_what_yaml_writes_is_read_back(tmp_path: Path, content: dict[str, object]) -> None:
    document, problems = read_text(tmp_path, yaml.safe_dump(content, sort_keys=False))
    assert problems == []
    assert document is not None
    assert document.content == content
    assert all(document.mark(path) for path in document.marks)


@settings(deadline=None, max_examples=250, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=80) | st.text("{}[]:,&*!|>'\"%@`#-? \n\tab01~<", max_size=60).map(str.encode))
def test_any_bytes_give_a_document_or_a_problem(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(raw)
    document, problems = read(file, "x.yaml")
    assert document is not None or problems
    assert all(problem.mark for problem in problems)


def test_marks_of_keys_and_values(tmp_path: Path) -> None:
    document, _ = read_text(tmp_path, "a:\n  b: [1, {c: 2}]\n")
    assert document is not None
    assert str(document.mark(("a",))) == "x.yaml:1:1"
    assert str(document.mark(("a", "b", 0))) == "x.yaml:2:7"
    assert str(document.mark(("a", "b", 1, "c"))) == "x.yaml:2:14"
    assert str(document.key_mark(("a", "b", 1, "c"))) == "x.yaml:2:11"
    assert str(document.mark(("a", "b", 1, "nothing"))) == "x.yaml:2:10"
    assert document.at(("a", "b", 1, "c")) == 2
    assert document.at(("a", "b", 5)) is None
    assert document.at(("a", "b", "c")) is None


def test_texts_by_pattern(tmp_path: Path) -> None:
    document, _ = read_text(tmp_path, "s: {x: {f: one}, y: {f: [two, 3, three]}, z: 1}\n")
    assert document is not None
    found = {dotted(path): text for path, text in document.texts("s", "*", "f")}
    assert found == {"s.x.f": "one", "s.y.f[0]": "two", "s.y.f[2]": "three"}


def test_merge_keys_add_what_is_not_written(tmp_path: Path) -> None:
    document, problems = read_text(tmp_path, "base: &base {a: 1, b: 2}\nmore: &more {c: 3}\nx: {<<: [*base, *more], b: 9}\n")
    assert problems == []
    assert document is not None
    assert document.at(("x",)) == {"b": 9, "a": 1, "c": 3}
    assert document.mark(("x", "a")).line == 1


def test_merging_what_is_no_mapping(tmp_path: Path) -> None:
    assert read_text(tmp_path, "x: {<<: [1]}\n")[1] == ["x.yaml:1:10: x: << merges mappings, and this is none"]


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off"])
def test_words_that_yaml_reads_as_booleans_are_traps(tmp_path: Path, word: str) -> None:
    document, _ = read_text(tmp_path, f"a: {word}\nb: '{word}'\nc: true\n")
    assert document is not None
    assert set(document.traps) == {("a",)}
    assert document.at(("b",)) == word


@pytest.mark.parametrize("number", ["010", "0x1F", "1_000", "190:20:30", "0b1", "9007199254740992", ".inf", ".nan", "1:30.5"])
def test_numbers_that_are_not_what_they_look_like(tmp_path: Path, number: str) -> None:
    (problem,) = read_text(tmp_path, f"a: {number}\n")[1]
    assert "quote it if it is text" in problem


def test_a_number_of_many_digits_is_refused_and_not_shown(tmp_path: Path) -> None:
    (problem,) = read_text(tmp_path, f"a: {'1' * 5000}\n")[1]
    assert len(problem) < 200


@pytest.mark.parametrize("text", ["2024-01-01", "2024-01-01T10:00:00Z", "1e3", "0.1.2", "=", "y", "n"])
def test_times_and_their_like_stay_text(tmp_path: Path, text: str) -> None:
    document, problems = read_text(tmp_path, f"a: {text}\n")
    assert (document and document.at(("a",)), problems) == (text, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("? [a, b]\n: c\n", "x.yaml:1:3: (file): a key is a word, not a list or a mapping"),
        ("~: 1\n", "x.yaml:1:1: (file): a key is empty; name it"),
        ("a: *b\n", "x.yaml:1:4: (file): the alias *b stands for nothing that is complete here"),
        ("a: !secret x\n", "x.yaml:1:4: (file): tags such as this one are not read; write the plain value"),
        ('a: "\x00"\n', "x.yaml:1:5: (file): the character U+0000 is not allowed in YAML; remove it"),
        ("text\n", "x.yaml:1:1: (file): the file is not a mapping of keys to values"),
    ],
)
def test_forms_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    assert read_text(tmp_path, text)[1] == [message]


def test_explicit_core_tags_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    document, problems = read_text(tmp_path, "\ufeffa: !!str 7\n")
    assert (document and document.content, problems) == ({"a": "7"}, [])


def test_merges_of_merges_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_NODES", 5_000)
    laughs = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12))
    assert "aliases expand to more" in read_text(tmp_path, laughs)[1][-1]


def test_a_long_chain_of_merges_is_bounded(tmp_path: Path) -> None:
    chain = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: *a{i - 1}}}\n" for i in range(1, 2000))
    assert "aliases expand to more" in read_text(tmp_path, chain)[1][-1]


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 2**20)
    assert read_text(tmp_path, f"a: {'x' * 2**20}\n")[1] == ["x.yaml:1:1: (file): larger than 1 MiB; split the dataset"]
