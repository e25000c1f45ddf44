"""The servers that other tests stand on are real, and can be taken away and given back."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from botocore.exceptions import BotoCoreError

from expunge.testing.relay import Relay
from expunge.testing.services import S3, PostgreSQL


def test_postgresql_gives_fresh_databases(postgresql_server: PostgreSQL, postgresql_url: str) -> None:
    other = postgresql_server.database()
    assert other != postgresql_url
    engine = sa.create_engine(other)
    with engine.begin() as session:
        session.execute(sa.text("CREATE TABLE t (a text)"))
        session.execute(sa.text("INSERT INTO t VALUES ('é')"))
        assert session.execute(sa.text("SELECT a FROM t")).scalar_one() == "é"
    engine.dispose()
    assert (postgresql_server.folder / "PG_VERSION").exists()


def test_a_relay_cuts_and_mends(postgresql_server: PostgreSQL) -> None:
    relay = Relay(postgresql_server.port)
    where = f"host=127.0.0.1 port={relay.port} user={postgresql_server.user} dbname=postgres"
    session = psycopg.connect(where)
    assert session.execute("SELECT 1").fetchone() == (1,)
    with relay.outage():
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(where, connect_timeout=5)
    session.close()
    with psycopg.connect(where) as again:
        assert again.execute("SELECT 2").fetchone() == (2,)
    again.close()
    relay.close()


def test_s3_keeps_versions_and_can_be_cut(s3: S3) -> None:
    bucket = s3.bucket()
    client = s3.client()
    for body in (b"one", b"two"):
        client.put_object(Bucket=bucket, Key="a/é b", Body=body)
    client.delete_object(Bucket=bucket, Key="a/é b")
    listing = client.list_object_versions(Bucket=bucket)
    assert len(listing["Versions"]) == 2
    assert len(listing["DeleteMarkers"]) == 1
    client.close()

    relay = Relay(int(s3.endpoint.rpartition(":")[2]))
    through = S3(f"http://127.0.0.1:{relay.port}").client()
    assert through.list_object_versions(Bucket=bucket)["Versions"]
    with relay.outage(), pytest.raises(BotoCoreError):
        through.list_object_versions(Bucket=bucket)
    assert through.list_object_versions(Bucket=bucket)["Versions"]
    through.close()
    relay.close()
