"""The README's table of stores: what each covers, the history it removes, what it can't, and its grade.

Grades are computed from tests that exist (nobody awards one):

- *bronze*: the laws of ``expunge.testing.conformance`` run on a stand-in for the service;
- *silver*: they run on the real thing (a server that is started, or files on a real file system), outage and drift injected;
- *gold*: and every line under "Limits" in its page of docs/stores names the test that shows it.

Saboteurs prove the laws themselves, so they count for no single store.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from expunge.stores.registry import KINDS

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests/stores"
STAND_INS = frozenset({"s3"})
"""Fixtures that imitate a service: S3's is a test server that speaks the protocol."""


@dataclass(frozen=True, slots=True)
class StoreRow:
    """One line: a medium of one kind of store, what is told of it, and the test file in which it inherits the laws."""

    medium: str
    kind: str
    covers: str
    removes: str
    cannot: str
    test: str
    page: str


ROWS = (
    StoreRow(
        "SQLite",
        "sql",
        "tables, with the FTS full-text indexes that hang on them",
        "free pages, the write-ahead log, the index's shadow tables (`VACUUM`, checkpoint)",
        "pages of the write-ahead log that another connection still reads: reported, and cleared by the next try",
        "test_sqlite.py",
        "sql.md",
    ),
    StoreRow(
        "PostgreSQL",
        "sql",
        "tables, TOAST, indexes, materialised views made from them",
        "dead rows and index entries (`VACUUM FULL`); sampled statistics, if the role may",
        "the server's WAL, its archive, replicas and backups: told in every receipt, never claimed",
        "test_postgresql.py",
        "sql.md",
    ),
    StoreRow(
        "Folder of files",
        "objects",
        "files by key template, old versions under `.versions`",
        "all versions",
        "redact or decorrelate: objects go whole; hard links elsewhere",
        "test_objects_folder.py",
        "objects.md",
    ),
    StoreRow(
        "S3 bucket",
        "objects",
        "keys by template, in every version and under delete markers, unfinished uploads",
        "versions, delete markers, uploads",
        "objects under legal hold or retention: refused, never bypassed; replicas and inventories",
        "test_objects_s3.py",
        "objects.md",
    ),
    StoreRow(
        "Parquet folder",
        "parquet",
        "plain files, Hive partitions, nested fields",
        "values in dictionary pages, statistics, sidecars; leftover and empty files",
        "a partition's value, which is in the path: it can't be redacted",
        "test_parquet.py",
        "parquet.md",
    ),
    StoreRow(
        "Delta table",
        "delta",
        "data files, deletion vectors, change data",
        "old files, the log's commits and statistics (ends time travel for everyone; `reclaim: vacuum` keeps it and says so)",
        "column mapping, shallow clones, append-only tables: refused before the first write",
        "test_delta.py",
        "delta.md",
    ),
    StoreRow(
        "Delta table in S3",
        "delta",
        "the same, in a bucket",
        "the same",
        "see what versions the bucket keeps: history is *not verifiable*; list the bucket as an `objects` store too",
        "test_delta_s3.py",
        "delta.md",
    ),
    StoreRow(
        "JSON-lines logs",
        "jsonl",
        "plain and gzip files, nested fields",
        "unfinished rewrites; files are replaced atomically",
        "names inside free text; lines that are no JSON are searched, never changed",
        "test_jsonl.py",
        "jsonl.md",
    ),
)


def store_table() -> str:
    """The table and the grades' meaning."""
    lines = ["| Store | `kind` | Covers | History it removes | What it can't | Grade |", "|---|---|---|---|---|---|"]
    lines += [f"| {one.medium} | `{one.kind}` | {one.covers} | {one.removes} | {one.cannot} | {grade(one)} |" for one in ROWS]
    missing = set(KINDS) - {one.kind for one in ROWS}
    if missing:
        msg = f"no row tells of {', '.join(sorted(missing))}"
        raise LookupError(msg)
    return "\n".join(lines) + "\n"


def grade(row: StoreRow) -> str:
    """The grade that the tests in the tree give it; ``none`` without the laws."""
    path = TESTS / row.test
    fixtures = list(_law_fixtures(ast.parse(path.read_text(encoding="utf-8")))) if path.exists() else []
    if not fixtures:
        return "none"
    if any(names & STAND_INS for names in fixtures):
        return "bronze"
    return "gold" if _limits_tested(ROOT / "docs/stores" / row.page) else "silver"


def _law_fixtures(module: ast.Module) -> Iterator[set[str]]:
    """For every class that inherits the laws: the fixtures that its harness is made from."""
    shared = _harness(module.body)
    for one in module.body:
        if isinstance(one, ast.ClassDef) and any(isinstance(base, ast.Name) and base.id == "StoreLaws" for base in one.bases):
            own = _harness(one.body) or shared
            yield {argument.arg for argument in own.args.args} if own else set()


def _harness(body: list[ast.stmt]) -> ast.FunctionDef | None:
    return next((one for one in body if isinstance(one, ast.FunctionDef) and one.name == "harness"), None)


def _limits_tested(page: Path) -> bool:
    """Whether the page has limits and each names a test that exists."""
    if not page.exists():
        return False
    section = re.search(r"^## Limits\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    limits = re.findall(r"^- .*?(?=^- |\Z)", section[1], re.MULTILINE | re.DOTALL) if section else []
    known = {name for file in TESTS.glob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}
    return bool(limits) and all(any(name in known for name in re.findall(r"`(test_\w+)`", limit)) for limit in limits)
