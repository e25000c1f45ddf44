"""From the journal to the mail server, and campaigns: every member of a class once, whoever is killed when."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import expunge
from expunge.app.campaigns import audience_of, count_campaign, post_campaign
from expunge.app.library import Expunge
from expunge.app.posting import CONTROL, GIVE_UP_AFTER, bounce, read_bounces, recent, send_letters
from expunge.cli.main import invoke
from expunge.errors import InvalidRequest, PolicyInvalid
from expunge.journal.letters import LetterState
from expunge.ports import Letter
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from tests.faults.killing import Place, build
from tests.notices.mail_server import LOOPBACK, mail_server
from tests.notices.test_smtp import dsn

FIELDS = {"what": "We stop keeping your device's name.", "from_date": "1 May", "link": "https://maker.example/privacy"}
ADULTS = 10


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return build(tmp_path / "toy", f"sqlite:///{tmp_path}/app.db")


@pytest.fixture
def library(place: Place, clock: FakeClock) -> Iterator[Expunge]:
    with expunge.open(place.folder / "expunge.yaml", env=place.environment, clock=clock) as opened:
        yield opened


def post(library: Expunge, count: int = 1, *, to: str | None = None, template: str = "practice", channel: Any = "email") -> list[str]:
    numbers = library.rooms.journal.register("adult", [[Identifier("person_id", str(one))] for one in range(count)])
    letters = [
        Letter(Identifier("email", to or f"p{number}@toy.example"), channel, template, FIELDS, number, f"test/{number}")
        for number in numbers
    ]
    return library.rooms.journal.post(letters)


def send(library: Expunge, port: int | None = None, **settings: str) -> Counter[str]:
    server = {"EXPUNGE_SMTP": f"smtp+plain://{LOOPBACK}:{port}"} if port else {}
    return send_letters(library, environment={**server, **settings}, pause=lambda _: None)


def states(library: Expunge) -> dict[str, int]:
    return {state.value: count for state, count in library.rooms.journal.letter_counts().items()}


def test_letters_go_out_filled_in(library: Expunge) -> None:
    ids = post(library, 3)
    with mail_server() as box:
        assert send(library, box.port) == {"sent": 3}
        assert send(library, box.port) == {}
    assert sorted(box.ids()) == sorted(f"<{one}@toy.example>" for one in ids)
    text = box.mails[0].get_content()
    assert all(value in text for value in FIELDS.values())
    assert box.mails[0]["Subject"] == "Toy: a change in how we treat your data"


def test_without_a_server_they_lie_in_a_folder(library: Expunge, place: Place) -> None:
    (one,) = post(library)
    assert send(library) == {"delivered": 1}
    assert (place.folder / f"state/outbox/email/{one}.eml").exists()
    post(library, 2, channel="text")
    send(library, EXPUNGE_OUTBOX=str(place.folder / "elsewhere"))
    assert [json.loads(file.read_text())["to"] for file in (place.folder / "elsewhere/text").iterdir()] == ["p2@toy.example"]


def test_the_console_is_for_trying_out(library: Expunge, capsys: pytest.CaptureFixture[str]) -> None:
    post(library)
    assert send(library, EXPUNGE_OUTBOX="console") == {"delivered": 1}
    assert "We stop keeping" in capsys.readouterr().err


def test_a_mailbox_that_is_not_there_bounces_and_the_others_get_theirs(library: Expunge) -> None:
    post(library, 3)
    with mail_server() as box:
        box.refuses["p2@toy.example"] = "550 no such p2@toy.example"
        assert send(library, box.port) == {"sent": 2, "bounced": 1}
    (bounced,) = [one for one in recent(library) if one.state is LetterState.BOUNCED]
    assert bounced.fault == "smtp-550"


def test_a_busy_mailbox_is_tried_again_and_given_up_after_days(library: Expunge, clock: FakeClock) -> None:
    post(library, 2)
    with mail_server() as box:
        box.refuses["p1@toy.example"] = "450 busy"
        assert send(library, box.port) == {"sent": 1, "retry": 1}
        assert send(library, box.port) == {}, "not at once"
        tries = 0
        while send_state := send(library, box.port) or {"nothing": 1}:
            tries += send_state.get("retry", 0)
            if "given up" in send_state:
                break
            clock.tick(timedelta(minutes=30))
        waited = clock.now() - recent(library)[0].posted_at
    assert GIVE_UP_AFTER <= waited < GIVE_UP_AFTER + timedelta(hours=5)
    assert 25 < tries < 60, "every few hours"


def test_a_server_that_is_away_costs_one_attempt_per_round_and_loses_nothing(library: Expunge, clock: FakeClock) -> None:
    post(library, 20)
    with mail_server() as box:
        port = box.port
    for _ in range(8):
        done = send(library, port)
        assert set(done) <= {"retry"}
        clock.tick(timedelta(days=1))
    assert [one.control for one in library.incidents()] == [CONTROL], "somebody has to look at the post"
    with mail_server() as box:
        assert send(library, box.port) == {"sent": 20}, "our outage is nobody's bounce"
    assert library.incidents() == []


def test_a_letter_that_does_not_fit_its_text_is_given_up(library: Expunge) -> None:
    post(library, template="no-such")
    assert send(library) == {"given up": 1}
    assert recent(library)[0].fault == "unfit-template"


def test_a_header_is_not_injected_through_an_address(library: Expunge) -> None:
    post(library, to="a@b\r\nBcc: c@d")
    with mail_server() as box:
        assert send(library, box.port) == {"bounced": 1}
    assert not box.envelopes


def test_settings_that_cannot_be_read_leave_the_letters(library: Expunge) -> None:
    post(library)
    with pytest.raises(PolicyInvalid):
        send(library, EXPUNGE_SMTP="smtp+plain://mail.example")
    assert states(library) == {"queued": 1}


def test_a_contact_that_is_no_address_still_has_a_folder(place: Place, clock: FakeClock) -> None:
    policy = place.folder / "expunge.yaml"
    policy.write_text(policy.read_text().replace("contact: privacy@toy.example", "contact: https://toy.example/privacy"))
    with expunge.open(policy, env=place.environment, clock=clock) as library:
        (one,) = post(library)
        with mail_server() as box, pytest.raises(PolicyInvalid, match="sender"):
            send(library, box.port)
        assert states(library) == {"queued": 1}
        assert send(library) == {"delivered": 1}
        with mail_server() as box:
            post(library, 2)
            assert send(library, box.port, EXPUNGE_MAIL_FROM="us@toy.example") == {"sent": 1}
    assert (place.folder / f"state/outbox/email/{one}.json").exists()


def test_it_keeps_the_rate(library: Expunge) -> None:
    post(library, 3)
    waits: list[float] = []
    with mail_server() as box:
        send_letters(
            library, environment={"EXPUNGE_SMTP": f"smtp+plain://{LOOPBACK}:{box.port}", "EXPUNGE_MAIL_RATE": "6"}, pause=waits.append
        )
    assert len(waits) == 3
    assert all(9 < wait <= 10 for wait in waits)


def test_bounces_by_hand_and_from_a_mailbox(library: Expunge, tmp_path: Path) -> None:
    one, two = post(library, 2)
    with mail_server() as box:
        send(library, box.port)
    report = dsn().replace("let_abcdefghijkl", one) + "\nFrom x\n" + dsn("delivered", "2.0.0").replace("let_abcdefghijkl", two)
    (tmp_path / "mbox").write_text(
        f"From x Sun Mar  1 12:00:00 2026\n{report}\n".replace("\nFrom x\n", "\nFrom x Sun Mar  1 12:00:00 2026\n")
    )
    (tmp_path / "strange").write_text(dsn())
    assert read_bounces(library, tmp_path / "mbox") == {"bounced": 1, "delivered": 1}
    assert read_bounces(library, tmp_path / "strange") == {"unknown": 1}
    assert (library.rooms.journal.letter(one).fault, states(library)) == ("dsn-5.1.1", {"bounced": 1, "delivered": 1})
    assert bounce(library, two, "moved") is True
    with pytest.raises(InvalidRequest):
        bounce(library, two, "p2@toy.example is gone")
    with pytest.raises(InvalidRequest):
        read_bounces(library, tmp_path / "nowhere")


def test_every_adult_and_every_guardian_once(library: Expunge) -> None:
    adults = count_campaign(library, audience_of(library.policy.catalog, "adult", "email"))
    guardians = count_campaign(library, audience_of(library.policy.catalog, "guardians:child", "email"))
    assert (adults.members, guardians.members) == (ADULTS, 5), "a guardian of two children is one"
    for _ in range(2):
        found = post_campaign(library, "spring", "practice", "guardians:child", "email", FIELDS)
        assert (found.members, found.unreached, found.states) == (5, 0, {LetterState.QUEUED: 5})
    with mail_server() as box:
        assert send(library, box.port) == {"sent": 5}
        post_campaign(library, "spring", "practice", "guardians:child", "email", FIELDS)
        assert send(library, box.port) == {}
    assert sorted(str(one["To"]) for one in box.mails) == [f"p{house}1@toy.example" for house in range(1, 6)]
    with pytest.raises(InvalidRequest, match="another name"):
        post_campaign(library, "spring", "practice", "adult", "email", FIELDS)


def test_members_without_an_address_are_counted(library: Expunge, place: Place) -> None:
    engine = sa.create_engine(place.environment["APP_URL"])
    with engine.begin() as connection:
        connection.execute(sa.text("update people set email = null where id in (11, 12)"))
        connection.execute(sa.text("update people set email = '' where id = 21"))
    engine.dispose()
    found = post_campaign(library, "spring", "practice", "adult", "email", FIELDS)
    assert (found.members, found.unreached) == (7, 3)


def test_who_is_erased_is_left_out(library: Expunge) -> None:
    journal = library.rooms.journal
    (number,) = journal.register("adult", [[Identifier("person_id", "11")]])
    library.rooms.keys.make("subject", [number])
    library.rooms.keys.destroy("subject", [number])
    found = post_campaign(library, "spring", "practice", "adult", "email", FIELDS)
    assert (found.members, found.unreached) == (ADULTS - 1, 1)


@pytest.mark.parametrize(
    ("to", "channel", "told"),
    [
        ("adults", "email", "adult"),
        ("guardians:adult", "email", "no guardian of adult"),
        ("child", "email", "user.contact.email"),
        ("adult", "push", "email or text"),
        ("adult", "text", "user.contact.phone_number"),
        ("parents:child", "email", "guardians:KIND"),
    ],
)
def test_classes_that_nobody_is_in(library: Expunge, to: str, channel: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        post_campaign(library, "spring", "practice", to, channel, FIELDS)


def test_a_letter_with_a_hole_is_not_posted(library: Expunge) -> None:
    with pytest.raises(InvalidRequest, match="from_date, link, what"):
        post_campaign(library, "spring", "practice", "adult", "email", {})
    assert states(library) == {}


def _campaign(place: Place, port: int, after: float) -> None:
    threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    with expunge.open(place.folder / "expunge.yaml", env=place.environment) as library:
        while True:
            post_campaign(library, "spring", "practice", "adult", "email", FIELDS)
            _send_quickly(library, port)


def _send_quickly(library: Expunge, port: int) -> None:
    server = {"EXPUNGE_SMTP": f"smtp+plain://{LOOPBACK}:{port}"}
    send_letters(library, environment=server, lease=timedelta(milliseconds=1), pause=lambda _: None)


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_again_and_again_every_member_is_written_to_once(place: Place, kills: int) -> None:
    more = kills * 60
    engine = sa.create_engine(place.environment["APP_URL"])
    with engine.begin() as connection:
        rows = [{"n": number, "e": f"q{number}@toy.example"} for number in range(1000, 1000 + more)]
        connection.execute(sa.text("insert into people values (:n, 1, :e)"), rows)
    engine.dispose()
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.notices.test_posting"])
    with mail_server() as box:
        for turn in range(kills):
            process = context.Process(target=_campaign, args=(place, box.port, 0.5 + 0.23 * turn))
            process.start()
            process.join(60)
            assert process.exitcode == -signal.SIGKILL
        with expunge.open(place.folder / "expunge.yaml", env=place.environment) as library:
            found = post_campaign(library, "spring", "practice", "adult", "email", FIELDS)
            time.sleep(0.01)  # as long as the killed worker's lease
            _send_quickly(library, box.port)
            assert library.rooms.journal.letter_counts(campaign="spring") == {LetterState.SENT: ADULTS + more}
    assert found.members == ADULTS + more
    told = Counter((str(one["To"]), str(one["Message-ID"])) for one in box.mails)
    assert len({to for to, _ in told}) == len(told) == ADULTS + more, "each member one letter"
    assert sum(told.values()) - len(told) <= kills, "a copy only of what a killed worker had just handed over"


def test_the_commands(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {**place.environment, "EXPUNGE_POLICY": str(place.folder / "expunge.yaml")}.items():
        monkeypatch.setenv(name, value)
    fields = [word for name, value in FIELDS.items() for word in ("--field", f"{name}={value}")]
    begin = ["outbox", "campaign", "practice", "--name", "spring", "--to", "adult", *fields]
    assert invoke([*begin, "--dry-run"]) == 0
    assert invoke(["outbox", "send"]) == 0
    assert "nothing is due" in capsys.readouterr().out
    assert invoke([*begin, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"members": ADULTS, "unreached": 0, "listed": True, "states": {"queued": ADULTS}}
    assert invoke(["outbox", "progress", "spring"]) == 0
    assert invoke(["outbox", "send", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.partition("queued\n")[2]) == {"delivered": ADULTS}
    assert invoke(["outbox", "show", "--campaign", "spring", "--json"]) == 0
    letters = json.loads(capsys.readouterr().out)
    assert len(letters) == ADULTS
    assert "@" not in json.dumps(letters)
    assert invoke(["outbox", "bounce", letters[0]["letter"]]) == 0
    assert invoke(["outbox", "bounce", "let_nobody"]) == 32
    (tmp_path / "box").write_text("Subject: hello\n\nno report")
    assert invoke(["outbox", "read-bounces", str(tmp_path / "box")]) == 0
    assert invoke(["outbox", "progress", "autumn"]) == 33
    assert invoke([*begin, "--field", "what=twice"]) == 33
