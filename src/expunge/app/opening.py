"""Opens everything that a policy names, each thing when it is first needed, and puts the rooms together."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

from expunge.app.library import Expunge
from expunge.erase.context import Rooms
from expunge.errors import MissingExtra, UnknownStore
from expunge.evidence.files import create_once, locked, write_durably
from expunge.evidence.log import Log
from expunge.evidence.signing import Signer
from expunge.evidence.tombstones import Register
from expunge.evidence.trust import Trust
from expunge.journal import Journal
from expunge.keys.external import EnvironmentSecret, ExternalRoot, KeyFile
from expunge.keys.vault import Vault
from expunge.policy.load import load
from expunge.policy.model import Policy
from expunge.ports import Clock, Fleet, Hunter
from expunge.runtime.clock import SystemClock
from expunge.runtime.fleet import InProcess, Processes
from expunge.runtime.settings import Settings
from expunge.runtime.telemetry import configure
from expunge.stores.base import Splits, Store
from expunge.stores.registry import open_store

EXTERNAL_ROOT = "EXPUNGE_EXTERNAL_ROOT"
"""Where the secret that wraps the roots may come from; without it a key file beside the roots' folder is used."""

LOOKUP_BYTES = 32


def open_policy(
    path: str | Path = "expunge.yaml", *, env: Mapping[str, str] | None = None, clock: Clock | None = None, lease: timedelta | None = None
) -> Expunge:
    """Open a policy file with its journal, keys and evidence; stores are opened when they are first used.

    ``env`` fills in the policy's ``${NAME}``; the process's environment, if not given. ``lease`` is how long a step of this worker is its
    own without a sign of life (``EXPUNGE_LEASE``, if not given).

    Raises:
        PolicyInvalid: with every problem and its place.
        StoreError, KeyStoreError, EvidenceError: the control database, the keys or the log can't be opened.
    """
    given = dict(os.environ) if env is None else dict(env)
    settings = Settings.read(given)
    configure(settings.log)
    policy = load(Path(path), given)
    rooms = open_rooms(policy, given, clock or SystemClock())
    return Expunge(
        replace(rooms, hunter=_hunter(rooms, Path(path).absolute(), given)), lease or settings.lease, Path(path).absolute(), given
    )


def open_rooms(policy: Policy, env: Mapping[str, str], clock: Clock) -> Rooms:
    """The rooms of one policy, concrete; without a hunter."""
    control = policy.control
    control.roots.mkdir(mode=0o700, parents=True, exist_ok=True)
    (control.evidence / "receipts").mkdir(parents=True, exist_ok=True)
    for url in (control.journal, control.keys):
        _keep_private(url)
    vault = Vault.open(control.keys, control.roots, _external(control.roots, env), clock)
    lookup = create_once(control.roots / "lookup.key", secrets.token_bytes(LOOKUP_BYTES))
    journal = Journal.open(control.journal, clock=clock, sealer=vault, lookup_key=lookup)
    host = _origin(policy)
    secret = control.evidence / "signers"
    secret.mkdir(mode=0o700, exist_ok=True)
    log_signer = Signer.load_or_create(secret / "log.key", f"{host}/log")
    executor = Signer.load_or_create(secret / "executor.key", f"{host}/executor")
    verifier = Signer.load_or_create(secret / "verifier.key", f"{host}/verifier")
    log = Log.open(control.evidence / "log", log_signer, clock)
    _publish_trust(control.evidence / "trust.json", Trust.of(log_signer.vkey, executor.vkey, verifier.vkey))
    register = Register.open(control.evidence)
    stores = OpenStores(policy, _workers(env))
    return Rooms(policy, stores, journal, vault, log, register, executor, verifier, clock, control.evidence / "receipts")


def _hunter(rooms: Rooms, path: Path, env: Mapping[str, str]) -> Hunter | None:
    """The hunt, if the policy asks for one; its libraries are an extra, so that its modules are loaded only then.

    Raises:
        MissingExtra: they are not installed.
    """
    if rooms.policy.hunt is None:
        return None
    assert isinstance(rooms.stores, OpenStores)
    made: Hunter = _hunting().hunt_of(rooms.policy, path, rooms.stores.fleet, rooms.journal, partial(_prints_elsewhere, path, env))
    return made


def _prints_elsewhere(path: Path, env: Mapping[str, str], run_id: str) -> Mapping[str, list[bytes]]:
    """A run's prints, in a process that has to open the journal and the keys itself."""
    with open_policy(path, env=env) as library:
        held: Mapping[str, list[bytes]] = _hunting().prints_of(library.rooms.journal, run_id)
        return held


def _hunting() -> ModuleType:
    try:
        return import_module("expunge.app.hunting")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("expunge"):
            raise
        raise MissingExtra(f"the policy's hunt needs {missing.name}: pip install 'expunge[hunt]'", where="hunt") from None


class OpenStores(Mapping[str, Store]):
    """The policy's stores by name; each is opened when it is first asked for, and again after it could not be."""

    def __init__(self, policy: Policy, workers: int = 1) -> None:
        """Open nothing yet. Stores whose work can be split spread it over ``workers`` processes, which they share.

        ``fleet`` is these processes, for whoever else has work to split.
        """
        self._policy = policy
        self._workers = workers
        self._fleet = Processes(workers)  # it starts none before there is work
        self.fleet: Fleet = self._fleet if workers > 1 else InProcess()
        self._open: dict[str, Store] = {}

    def __getitem__(self, name: str) -> Store:
        """The store, opened.

        Raises:
            UnknownStore: the policy lists none of that name.
            StoreError: as the store says.
        """
        note = self._policy.catalog.stores.get(name)
        if note is None:
            known = ", ".join(self._policy.catalog.stores)
            raise UnknownStore(f"the policy lists no store {name!r}; it lists {known}", where=name)
        if name not in self._open:
            store = self._open[name] = open_store(note.kind, name, note.options, self._policy.catalog.in_store(name))
            if self._workers > 1 and isinstance(store, Splits):
                store.use(self._fleet, self._workers)
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        """The names in the policy's order."""
        return iter(self._policy.catalog.stores)

    def __len__(self) -> int:
        """How many the policy lists."""
        return len(self._policy.catalog.stores)

    def close(self) -> None:
        """Close what was opened."""
        while self._open:
            self._open.popitem()[1].close()
        self._fleet.close()


def _workers(env: Mapping[str, str]) -> int:
    """How many processes a store's work may be spread over: one, unless somebody says so.

    They are started anew, and import the program that opened this policy: a script that isn't made for that would run a second time.
    """
    return Settings.read(env).workers if "EXPUNGE_WORKERS" in env else 1


def _keep_private(url: str) -> None:
    """A control database that is a file is nobody else's to read; its journal files take over its mode."""
    path = url.removeprefix("sqlite:///")
    if path not in {url, ":memory:"}:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _external(roots: Path, env: Mapping[str, str]) -> ExternalRoot:
    if EXTERNAL_ROOT in env:
        return EnvironmentSecret.read(EXTERNAL_ROOT, env)
    return KeyFile.load_or_create(roots.parent / "external.key")


def _origin(policy: Policy) -> str:
    """The name that the log and the signers carry: the host part of the controller's contact."""
    return policy.controller.contact.rpartition("@")[2].rpartition("://")[2].partition("/")[0] or "expunge"


def _publish_trust(path: Path, trust: Trust) -> None:
    """Write the bundle that is handed to strangers, once; witnesses that were added to it later stay."""
    with locked(path.with_suffix(".lock")):  # of several workers that open a new place at once, one writes
        if not path.exists():
            write_durably({path: trust.to_json()})
