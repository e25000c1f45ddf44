"""Servers that the tests start themselves, one of each per worker and only when a test asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from expunge.testing import services


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[services.PostgreSQL]:
    """A running PostgreSQL of this worker."""
    with services.postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def postgresql_url(postgresql_server: services.PostgreSQL) -> str:
    """The SQLAlchemy URL of an empty database, fresh for the test module."""
    return postgresql_server.database()


@pytest.fixture(scope="session")
def s3() -> Iterator[services.S3]:
    """A running S3 server of this worker; ``s3.bucket()`` makes an empty bucket."""
    with services.s3() as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by the server that it asks for, so that ``-m 'not s3'`` needs no mark by hand."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "postgresql_server" in names:
            item.add_marker(pytest.mark.postgresql)
        if "s3" in names:
            item.add_marker(pytest.mark.s3)
