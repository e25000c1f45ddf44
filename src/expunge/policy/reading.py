"""YAML as its author meant it, with the place of every key and value; what YAML 1.1 would silently change is refused or marked.

PyYAML's events are folded into a plain tree without recursion, so that depth, size and alias expansion are bounded before anything is
built. A *trap* is a scalar that YAML 1.1 reads as something else than it looks like (``NO`` is false, ``010`` is 8, ``1:30`` is 90):
numbers of that sort are refused here; a word read as a boolean keeps its trap, so that it is refused wherever text is meant.
Times stay text: only the reader of a field knows which zone is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml

from expunge.policy.catalog import Mark, Problem
from expunge.terms import Json

PathTo: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""

LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
MOST_BYTES = 16 * 1024 * 1024  # 900 tables of 20 annotated columns take 3 MB
MOST_NODES = 500_000  # twice what such a file holds; a "billion laughs" file passes it after its first few aliases
MOST_DEPTH = 40  # nested document fields of real datasets stay below 15; Python's own recursion limit is 1,000
LARGEST = 2**53 - 1  # beyond it RFC 8785 (JSON's doubles) can't tell neighbours apart

_DIGITS = 20  # longer than LARGEST with a sign; Python refuses to read integers of more than 4,300 digits
_CORE = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]*([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its content as plain values, and where each value (``marks``) and each key (``key_marks``) stands."""

    file: str
    content: Mapping[str, Json]
    marks: Mapping[PathTo, Mark]
    key_marks: Mapping[PathTo, Mark]
    traps: Mapping[PathTo, str]

    def mark(self, path: PathTo) -> Mark:
        """Where the value at ``path`` stands (of a mapping or list, its key); the nearest one above it that was written, if none."""
        while path and path not in self.marks:
            path = path[:-1]
        value = self.at(path)
        whole = value is None or isinstance(value, Mapping | list)
        return self.key_mark(path) if whole else self.marks[path]

    def key_mark(self, path: PathTo) -> Mark:
        """Where the key at the end of ``path`` stands."""
        return self.key_marks.get(path) or self.marks[path]

    def at(self, path: PathTo) -> Json:
        """The value at ``path``, or ``None`` if there is none."""
        value: Json = self.content
        for part in path:
            inside = isinstance(value, dict) and part in value  # asking for a Mapping took a third of a large file's time
            if not inside and not (isinstance(value, list) and isinstance(part, int) and part < len(value)):
                return None
            value = cast("Any", value)[part]
        return value

    def under(self, path: PathTo) -> Iterator[PathTo]:
        """The paths of what the mapping or list at ``path`` holds."""
        value = self.at(path)
        if isinstance(value, dict):
            yield from ((*path, key) for key in value)
        elif isinstance(value, list):
            yield from ((*path, index) for index in range(len(value)))

    def texts(self, *pattern: str | int) -> Iterator[tuple[PathTo, str]]:
        """Every text at a path that fits ``pattern``, in which ``*`` is any key or index; of a list at its end, each text in it."""
        paths: list[PathTo] = [()]
        for part in pattern:
            paths = [deeper for path in paths for deeper in (self.under(path) if part == "*" else [(*path, part)])]
        for path in paths:
            value = self.at(path)
            if isinstance(value, str):
                yield path, value
            elif isinstance(value, list):
                yield from (((*path, index), one) for index, one in enumerate(value) if isinstance(one, str))


@dataclass(slots=True)
class _Node:
    """A scalar, a list or a mapping (a list of pairs), before aliases are expanded."""

    mark: Mark
    value: Json = None
    items: list[_Node] | None = None
    pairs: list[tuple[_Node, _Node]] | None = None
    pending: _Node | None = None
    trap: str = ""
    kind: str = "str"
    anchor: str | None = None


@dataclass(slots=True)
class _Unreadable(Exception):
    problem: Problem


def read(path: Path, shown: str) -> tuple[Document | None, list[Problem]]:
    """The one document in ``path``, called ``shown`` in messages, and everything that is wrong with its form."""
    try:
        text = _text(path, shown)
        root = _Builder(shown).build(text)
    except _Unreadable as fault:
        return None, [fault.problem]
    unfolding = _Unfolding(shown)
    try:
        content = unfolding.unfold(root, (), 0)
    except _Unreadable as fault:
        return None, [*unfolding.problems, fault.problem]
    if not isinstance(content, dict):
        unfolding.problems.append(_problem("wrong-type", "the file is not a mapping of keys to values", root.mark))
        return None, unfolding.problems
    document = Document(shown, content, unfolding.marks, unfolding.key_marks, unfolding.traps)
    return document, unfolding.problems


def _problem(code: str, message: str, mark: Mark, path: PathTo = (), fix: str = "") -> Problem:
    return Problem(code, dotted(path), message, fix, mark)


def dotted(path: PathTo) -> str:
    """``terms[2].keep``: a path as messages show it; the file itself is ``(file)``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "(file)"


def _text(path: Path, shown: str) -> str:
    start = Mark(shown, 1, 1)
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise _Unreadable(_problem("unreadable", f"can't be read: {fault.strerror}", start)) from None
    if len(raw) > MOST_BYTES:
        raise _Unreadable(_problem("too-large", f"larger than {MOST_BYTES // 2**20} MiB", start, fix="split the dataset"))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        before = raw[: fault.start]
        mark = Mark(shown, before.count(b"\n") + 1, fault.start - before.rfind(b"\n"))
        raise _Unreadable(_problem("not-utf-8", "a byte here is not UTF-8", mark, fix="save the file as UTF-8")) from None


@dataclass(slots=True)
class _Builder:
    """Folds events into nodes, with an explicit stack."""

    file: str
    stack: list[_Node] = field(default_factory=list["_Node"])
    anchors: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    roots: list[_Node] = field(default_factory=list["_Node"])
    resolver: yaml.resolver.Resolver = field(default_factory=yaml.resolver.Resolver)

    def build(self, text: str) -> _Node:
        try:
            for event in yaml.parse(text, Loader=LOADER):
                self._take(event)
        except yaml.reader.ReaderError as fault:
            at = len(text.encode()[: fault.position].decode()) if yaml.__with_libyaml__ else fault.position  # LibYAML counts bytes
            mark = Mark(self.file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
            message = f"the character U+{ord(text[at]):04X} is not allowed in YAML"
            raise _Unreadable(_problem("syntax", message, mark, fix="remove it")) from None
        except yaml.MarkedYAMLError as fault:
            raise _Unreadable(_syntax(fault, self.file, text)) from None
        if not self.roots or (self.roots[0].kind == "null" and self.roots[0].items is None):
            raise _Unreadable(_problem("empty", "the file is empty", Mark(self.file, 1, 1)))
        return self.roots[0]

    def _take(self, event: yaml.Event) -> None:
        begin = event.start_mark
        mark = Mark(self.file, begin.line + 1, begin.column + 1) if begin else Mark(self.file, 1, 1)
        if isinstance(event, yaml.DocumentStartEvent) and self.roots:
            raise _Unreadable(_problem("two-documents", "a second document begins here", mark, fix="one file holds one document"))
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise _Unreadable(_problem("syntax", f"the alias *{event.anchor} stands for nothing that is complete here", mark))
            self._put(self.anchors[event.anchor])
        elif isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, mark, self.resolver)
            self._put(node)
            self._complete(node, event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event, mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            node = self.stack.pop()
            self._complete(node, node.anchor)

    def _open(self, event: yaml.CollectionStartEvent, mark: Mark) -> None:
        _check_tag(event.tag, mark)
        is_map = isinstance(event, yaml.MappingStartEvent)
        node = _Node(mark, items=None if is_map else [], pairs=[] if is_map else None, kind="map" if is_map else "seq", anchor=event.anchor)
        self._put(node)
        self.stack.append(node)
        if len(self.stack) > MOST_DEPTH:
            raise _Unreadable(_problem("too-deep", f"nested deeper than {MOST_DEPTH} levels", mark))

    def _put(self, node: _Node) -> None:
        if not self.stack:
            self.roots.append(node)
            return
        top = self.stack[-1]
        if top.items is not None:
            top.items.append(node)
        elif top.pending is None:
            top.pending = node
        else:
            assert top.pairs is not None
            top.pairs.append((top.pending, node))
            top.pending = None

    def _complete(self, node: _Node, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = node


def _syntax(fault: yaml.MarkedYAMLError, file: str, text: str) -> Problem:
    place = fault.problem_mark
    assert place is not None, "PyYAML's scanner and parser say where, whichever of the two implementations it is"
    mark = Mark(file, place.line + 1, place.column + 1)
    lines = text.splitlines()
    line = lines[place.line] if place.line < len(lines) else ""
    if "\t" in line[: place.column + 1]:
        return _problem("tab", "a tab stands where YAML wants spaces", mark, fix="indent with spaces")
    return _problem("syntax", f"not YAML: {fault.problem}", mark)


def _check_tag(tag: str | None, mark: Mark) -> None:
    if tag and (not tag.startswith(_CORE) or tag.removeprefix(_CORE) not in {"str", "int", "float", "bool", "null", "map", "seq"}):
        raise _Unreadable(_problem("tag", "tags such as this one are not read", mark, fix="write the plain value"))


def _scalar(event: yaml.ScalarEvent, mark: Mark, resolver: yaml.resolver.Resolver) -> _Node:
    _check_tag(event.tag, mark)
    tag = event.tag or str(resolver.resolve(yaml.ScalarNode, event.value, event.implicit))  # type: ignore[no-untyped-call]  # PyYAML's stubs
    kind = tag.removeprefix(_CORE)
    if kind == "null":
        return _Node(mark, None, kind=kind)
    if kind == "bool":
        word = event.value.lower()
        said = word in {"true", "yes", "on"}
        trap = "" if word in {"true", "false"} else f"YAML reads {event.value} as the boolean {str(said).lower()}"
        return _Node(mark, said, trap=trap, kind=kind)
    if kind in {"int", "float"}:
        return _number(event.value, kind, mark)
    return _Node(mark, event.value, kind="merge" if kind == "merge" else "str")


def _number(text: str, kind: str, mark: Mark) -> _Node:
    if kind == "int" and _INTEGER.fullmatch(text) and len(text) < _DIGITS and abs(int(text)) <= LARGEST:
        return _Node(mark, int(text), kind=kind)
    if kind == "float" and _FLOAT.fullmatch(text):
        return _Node(mark, float(text), kind=kind)
    return _Node(mark, text, kind=kind, trap="YAML reads this as a number in another base, in sixties, or too large to be exact")


@dataclass(slots=True)
class _Unfolding:
    """Expands aliases and merge keys into plain values, noting where each came from; bounded by ``MOST_NODES``."""

    file: str
    problems: list[Problem] = field(default_factory=list["Problem"])
    marks: dict[PathTo, Mark] = field(default_factory=dict["PathTo", "Mark"])
    key_marks: dict[PathTo, Mark] = field(default_factory=dict["PathTo", "Mark"])
    traps: dict[PathTo, str] = field(default_factory=dict["PathTo", "str"])
    visited: int = 0

    def unfold(self, node: _Node, path: PathTo, depth: int) -> Json:
        self._bound(node, path, depth)
        self.marks[path] = node.mark
        if node.items is not None:
            return [self.unfold(item, (*path, index), depth + 1) for index, item in enumerate(node.items)]
        if node.pairs is not None:
            return {key: self.unfold(value, (*path, key), depth + 1) for key, value in self._entries(node, path, depth)}
        if node.kind in {"int", "float"} and node.trap:
            fix = "quote it if it is text; write it in plain decimals if it is a number"
            self.problems.append(_problem("yaml-trap", node.trap, node.mark, path, fix))
        elif node.trap:
            self.traps[path] = node.trap
        return node.value

    def _bound(self, node: _Node, path: PathTo, depth: int) -> None:
        self.visited += 1
        if self.visited > MOST_NODES or depth > MOST_DEPTH:
            raise _Unreadable(_problem("too-large", "aliases expand to more than a policy can hold", node.mark, path))

    def _entries(self, node: _Node, path: PathTo, depth: int) -> list[tuple[str, _Node]]:
        """The pairs of a mapping in the order written, then what ``<<`` adds."""
        written: dict[str, _Node] = {}
        merged: list[_Node] = []
        for key, value in node.pairs or ():
            if key.kind == "merge":
                merged += [value] if value.items is None else value.items
            elif self._usable(key, path):
                self._enter(written, str(key.value), key.mark, value, path)
        for source in merged:
            if source.pairs is None:
                self.problems.append(_problem("wrong-type", "<< merges mappings, and this is none", source.mark, path))
                continue
            self._bound(source, path, depth)
            for name, value in self._entries(source, path, depth + 1):
                self.key_marks.setdefault((*path, name), source.mark)
                written.setdefault(name, value)
        return list(written.items())

    def _enter(self, written: dict[str, _Node], key: str, mark: Mark, value: _Node, path: PathTo) -> None:
        if key in written:
            first = self.key_marks[(*path, key)].line
            message = f"the key {key} stands here a second time (first on line {first})"
            self.problems.append(_problem("duplicate-key", message, mark, (*path, key), "keep one of the two"))
            return
        self.key_marks[(*path, key)] = mark
        written[key] = value

    def _usable(self, key: _Node, path: PathTo) -> bool:
        if key.kind == "str":
            return True
        if key.items is not None or key.pairs is not None:
            self.problems.append(_problem("wrong-type", "a key is a word, not a list or a mapping", key.mark, path))
        elif key.kind == "null":
            self.problems.append(_problem("wrong-type", "a key is empty", key.mark, path, "name it"))
        else:
            message = key.trap or f"YAML reads the key {str(key.value).lower()} as a {'boolean' if key.kind == 'bool' else 'number'}"
            self.problems.append(_problem("yaml-trap", message, key.mark, path, "quote it"))
        return False
