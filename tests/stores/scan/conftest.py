"""A MariaDB of this worker, where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from expunge.testing import services


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[services.MySQL]:
    """A running MariaDB of this worker."""
    if services.mariadb_home() is None:
        pytest.skip("there is no MariaDB server on this machine, and `.ci/mariadb` could not fetch one")
    with services.mysql() as server:
        yield server
