"""A policy as a whole: what its values become, what its digest covers, what a message never tells."""

import shutil
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from expunge.errors import PolicyInvalid
from expunge.policy.catalog import Keep, Reference
from expunge.policy.load import load
from expunge.policy.model import Policy
from expunge.policy.ownership import ownership
from expunge.terms import Verb

VECTORS = Path(__file__).parents[1] / "vectors" / "policy"
HOME = Path(__file__).parents[2] / "examples" / "home" / "expunge.yaml"

POLICY = """\
expunge: 1
controller: {name: Hearth Devices, contact: privacy@hearth.example}
subjects:
  household: {key: household_id}
  adult: {key: person_id, identities: [email], member_of: household}
  child: {key: profile_id, member_of: household, minor: true, guardian: adult}
stores:
  app: {kind: sql, url: "${APP_URL:-sqlite:///data/app.db}", reclaim: vacuum, batch: 200, history_clears_in: 7 days, datasets: [app.yml]}
  media: {kind: objects, url: data/media, versions: folder, datasets: [media.yml]}
purposes:
  respond: {use: essential.service, basis: contract}
terms:
  - {of: child, category: user.content, for: respond, keep: 1 year, need: a wide term}
  - {of: child, category: user.content.private, for: respond, keep: 30 days, from: app.profiles.last_used_at, need: a narrow one}
  - {of: adult, category: user.content, for: respond, keep: indefinite, need: until the account ends}
children: {idle_after: 18 months, notice: 30 days, erase_within: P90D}
access:
  support: {may: view, what: user.content.private, with: owner_consent, clips: 5, minutes: 30}
  safety: {may: [view, live], what: [user.content, user.content.door], with: legal_order}
control: {journal: "${JOURNAL_URL:-sqlite:///state/journal.db}", evidence: ../log}
blast_radius: {subjects: 50, share: 0.25 %}
categories: [user.content.door]
"""
APP = """\
dataset:
  - fides_key: hearth_app
    data_categories: [system.operations]
    collections:
      - name: households
        fields: [{name: id, fides_meta: {primary_key: true, identity: household_id}}]
      - name: people
        data_categories: [user.contact]
        fields:
          - {name: id, fides_meta: {primary_key: true, identity: person_id}}
          - {name: household_id, fides_meta: {references: [{dataset: hearth_app, field: households.id, direction: from}]}}
          - {name: email, data_categories: [user.contact.email], meta: {expunge: {identity: email}, other_tool: {x: 1}}}
      - name: profiles
        fields:
          - {name: id, fides_meta: {primary_key: true, identity: profile_id}}
          - {name: household_id, fides_meta: {references: [{dataset: hearth_app, field: households.id}]}}
          - {name: last_used_at}
          - name: settings
            data_categories: [user.account.settings]
            fields: [{name: wake, fields: [{name: word}]}]
      - name: messages
        meta:
          expunge:
            owned_by: [sender_id, receiver_id]
            verb: decorrelate
            repoint: {sender_id: 0, receiver_id: 0}
            redact: body
        fields:
          - {name: sender_id, fides_meta: {references: [{dataset: hearth_app, field: people.id, direction: from}]}}
          - {name: receiver_id, fides_meta: {references: [{dataset: hearth_app, field: people.id, direction: from}]}}
          - {name: body, data_categories: [user.content.private], meta: {expunge: {part_of: sender_id}}}
      - name: invoices
        meta: {expunge: {owned_by: person_id, verb: keep, keep: {basis: tax law, for: 10 years}, captured_at: never}}
        fields: [{name: person_id, fides_meta: {references: [{dataset: hearth_app, field: people.id, direction: from}]}}]
      - name: firmware
        meta: {expunge: {owned_by: []}}
        fields: [{name: version}]
"""
MEDIA = """\
dataset:
  - fides_key: media
    collections:
      - name: clips
        meta: {expunge: {objects: "voice/{profile_id}/{clip_id}.wav", derived_from: app.messages, captured_at: app.profiles.last_used_at}}
        fields:
          - {name: profile_id, fides_meta: {references: [{dataset: hearth_app, field: profiles.id, direction: from}]}}
          - {name: body, data_categories: [user.content.private], meta: {expunge: {seal: profile_id}}}
"""


def write(folder: Path, policy: str = POLICY, app: str = APP, media: str = MEDIA) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"expunge.yaml": policy, "app.yml": app, "media.yml": media}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "expunge.yaml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "policy")


@pytest.fixture
def policy(path: Path) -> Policy:
    return load(path, {})


def refusal(path: Path, env: Mapping[str, str] | None = None) -> str:
    with pytest.raises(PolicyInvalid) as caught:
        load(path, env or {})
    return str(caught.value)


def test_subjects(policy: Policy) -> None:
    adult, child = policy.catalog.kinds["adult"], policy.catalog.kinds["child"]
    assert (adult.key, adult.identities, adult.member_of, adult.minor) == ("person_id", ("email",), "household", False)
    assert (child.minor, child.guardian) == (True, "adult")
    assert child.mark is not None
    assert (child.mark.line, child.mark.column) == (6, 3)


def test_stores_get_their_own_options_with_absolute_paths(policy: Policy, path: Path) -> None:
    app, media = policy.catalog.stores["app"], policy.catalog.stores["media"]
    assert app.options == {"url": f"sqlite:///{path.parent}/data/app.db", "reclaim": "vacuum", "batch": 200}
    assert app.history_clears_in == timedelta(days=7)
    assert media.options == {"url": str(path.parent / "data/media"), "versions": "folder"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("postgresql://host/db", "postgresql://host/db"),
        ("sqlite:////var/app.db", "sqlite:////var/app.db"),
        ("sqlite:///app.db?timeout=5", "sqlite:///{here}/app.db?timeout=5"),
        ("sqlite+pysqlite:///../app.db", "sqlite+pysqlite:///{above}/app.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
    ],
)
def test_only_relative_sqlite_urls_move(tmp_path: Path, written: str, read: str) -> None:
    policy = load(write(tmp_path / "policy"), {"APP_URL": written})
    assert policy.catalog.stores["app"].options["url"] == read.format(here=tmp_path / "policy", above=tmp_path)


def test_a_number_may_come_from_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, POLICY.replace("batch: 200", 'batch: "${BATCH}"'))
    assert load(path, {"BATCH": "70"}).catalog.stores["app"].options["batch"] == 70
    assert "stores.app.batch: a whole number is meant" in refusal(path, {"BATCH": "seventy"})


def test_terms_purposes_children_access_control(policy: Policy, path: Path) -> None:
    assert [term.keep for term in policy.terms] == [timedelta(days=365), timedelta(days=30), None]
    assert [term.since for term in policy.terms] == ["captured_at", "app.profiles.last_used_at", "captured_at"]
    assert policy.purposes["respond"].basis == "contract"
    assert policy.children is not None
    assert (policy.children.idle_after, policy.children.erase_within) == (timedelta(days=540), timedelta(days=90))
    assert policy.access["safety"].may == ("view", "live")
    assert (policy.access["support"].what, policy.access["support"].clips) == (("user.content.private",), 5)
    assert policy.blast_radius.subjects == 50
    assert policy.blast_radius.share == Decimal("0.0025")
    assert policy.control.journal == f"sqlite:///{path.parent}/state/journal.db"
    assert policy.control.keys == f"sqlite:///{path.parent}/.expunge/keys.db"
    assert policy.control.evidence == path.parents[1] / "log"
    assert policy.control.roots == path.parent / ".expunge" / "roots"


def test_the_narrowest_term_covers_a_category(policy: Policy) -> None:
    narrow = policy.term_for("child", "user.content.private")
    wide = policy.term_for("child", "user.content.door")
    assert narrow is not None
    assert wide is not None
    assert (narrow.need, wide.need) == ("a narrow one", "a wide term")
    assert policy.term_for("child", "user.contents") is None
    assert policy.term_for("household", "user.content") is None


def test_collections(policy: Policy) -> None:
    messages, invoices = policy.catalog.collections["app.messages"], policy.catalog.collections["app.invoices"]
    assert messages.owned_by == ("sender_id", "receiver_id")
    assert (messages.verb, messages.repoint, messages.redact) == (Verb.DECORRELATE, {"sender_id": 0, "receiver_id": 0}, ("body",))
    assert messages.fields["body"].part_of == "sender_id"
    assert (invoices.verb, invoices.keep, invoices.captured_at) == (Verb.KEEP, Keep("tax law", timedelta(days=3650)), "never")
    assert policy.catalog.collections["app.firmware"].owned_by == ()
    assert policy.catalog.collections["app.households"].owned_by is None
    assert list(policy.catalog.collections) == [
        *(f"app.{name}" for name in ("households", "people", "profiles", "messages", "invoices", "firmware")),
        "media.clips",
    ]


def test_fields_and_inherited_categories(policy: Policy) -> None:
    people, profiles = policy.catalog.collections["app.people"], policy.catalog.collections["app.profiles"]
    assert list(people.fields) == ["id", "household_id", "email"]
    assert people.fields["email"].categories == ("system.operations", "user.contact", "user.contact.email")
    assert (people.fields["email"].identity, people.fields["id"].primary_key) == ("email", True)
    assert list(profiles.fields)[-3:] == ["settings", "settings.wake", "settings.wake.word"]
    assert profiles.fields["settings.wake.word"].categories == ("system.operations", "user.account.settings")


def test_references_lead_to_store_addresses(policy: Policy) -> None:
    (reference,) = policy.catalog.collections["media.clips"].fields["profile_id"].references
    mark = reference.mark
    assert reference == Reference("profile_id", "app.profiles", "id", "from", mark)
    assert mark is not None
    assert (Path(mark.file).name, mark.line) == ("media.yml", 7)


def test_placeholders_of_a_key_template_are_fields(policy: Policy) -> None:
    clips = policy.catalog.collections["media.clips"]
    assert clips.layout == {"objects": "voice/{profile_id}/{clip_id}.wav"}
    assert set(clips.fields) == {"profile_id", "body", "clip_id"}
    assert clips.fields["body"].seal == "profile_id"
    assert (clips.derived_from, clips.captured_at, clips.dataset) == (("app.messages",), "app.profiles.last_used_at", "media")


def test_ownership_can_be_decided(policy: Policy) -> None:
    assert ownership(policy.catalog, {}).kind_of("media.clips") == "child"


def test_the_digest_says_what_is_written_and_nothing_else(policy: Policy, tmp_path: Path) -> None:
    same = load(write(tmp_path / "b", POLICY.replace("kind: sql, ", "kind:   sql, # as ever\n    ")), {"APP_URL": "postgresql://host/db"})
    assert same.digest == policy.digest
    assert load(write(tmp_path / "c", POLICY.replace("30 days", "31 days")), {}).digest != policy.digest
    assert load(write(tmp_path / "d", app=APP.replace("verb: decorrelate", "verb: delete")), {}).digest != policy.digest


def test_the_example_of_the_house_loads(tmp_path: Path) -> None:
    policy = load(HOME, {})
    assert policy.warnings == ()
    assert {store.kind for store in policy.catalog.stores.values()} == {"sql", "objects", "delta", "parquet", "jsonl"}


def test_a_fides_users_datasets_load_unchanged() -> None:
    policy = load(VECTORS / "shop" / "expunge.yaml", {})
    assert [problem.code for problem in policy.warnings] == ["unread-key", "not-obeyed", "not-obeyed"]
    details = policy.catalog.collections["documents.customer_details"]
    assert details.fields["customer_id"].references[0].to == "postgres.customer"
    assert details.fields["workplace_info.position"].categories == ("user.account", "user.job_title")
    items = policy.catalog.collections["postgres.order_item"]
    assert items.fields["order_id"].references[0].to == "postgres.orders"
    assert policy.catalog.collections["postgres.customer"].fields["address_id"].references[0].direction == "to"
    owned = ownership(policy.catalog, {})
    assert {owned.kind_of(address) for address in policy.catalog.collections} == {"customer"}


def test_warnings_do_not_hide_and_errors_do_not_include_them(tmp_path: Path) -> None:
    shop = shutil.copytree(VECTORS / "shop", tmp_path / "shop")
    file = shop / "datasets" / "shop_mongo.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("shop_postgres", "shop_postgers"), encoding="utf-8")
    message = refusal(shop / "expunge.yaml")
    assert "did you mean shop_postgres?" in message
    assert "not obeyed" not in message


def test_a_store_without_a_dataset_is_warned_of(tmp_path: Path) -> None:
    policy = load(write(tmp_path, POLICY.replace("purposes:\n", "  logs: {kind: jsonl, path: logs}\npurposes:\n")), {})
    assert [(problem.code, problem.path) for problem in policy.warnings] == [("nothing-declared", "stores.logs")]


def test_an_identity_that_no_field_carries_is_warned_of(tmp_path: Path) -> None:
    policy = load(write(tmp_path, POLICY.replace("identities: [email]", "identities: [email, phone]")), {})
    assert [problem.path for problem in policy.warnings] == ["subjects.adult.identities[1]"]


def test_no_secret_in_any_text(tmp_path: Path) -> None:
    secret = "s3cr3t-7f"
    env = {"APP_URL": f"postgresql://u:{secret}@host/db", "JOURNAL_URL": f"postgresql://u:{secret}@host/j"}
    policy = load(write(tmp_path / "a"), env)
    assert secret not in repr(policy)
    for wrong in ("batch: many", f"password: {secret}", "reclaim: sometimes", "lock_timeout: -1", "schema: [a]"):
        assert secret not in refusal(write(tmp_path / "b", POLICY.replace("reclaim: vacuum, batch: 200", wrong)), env)
    listed = POLICY.replace('"${APP_URL:-sqlite:///data/app.db}"', '["${APP_URL}"]')
    assert secret not in refusal(write(tmp_path / "c", listed), env)


def test_an_empty_variable_counts_as_missing(tmp_path: Path) -> None:
    path = write(tmp_path, POLICY.replace("${APP_URL:-sqlite:///data/app.db}", "${APP_URL}"))
    assert "the environment variable APP_URL is not set" in refusal(path, {"APP_URL": ""})


def test_a_missing_policy_is_an_error_of_its_own(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.yaml").endswith("(file): can't be read: No such file or directory")


def test_problems_of_all_files_are_told_in_their_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        POLICY.replace("of: adult", "of: adlut"),
        APP.replace("[user.contact]", "[user.contcat]"),
        MEDIA.replace("objects:", "objcts:"),
    )
    told = [line.removeprefix(f"{tmp_path}/").split(":")[0] for line in refusal(path).splitlines()]
    assert told == ["expunge.yaml", "app.yml", "media.yml", "media.yml"]


def test_problems_as_json(tmp_path: Path) -> None:
    path = write(tmp_path, POLICY.replace("of: adult", "of: adlut"))
    with pytest.raises(PolicyInvalid) as caught:
        load(path, {})
    (problem,) = caught.value.problems
    assert problem.as_json() == {
        "code": "dangling",
        "where": f"{path}:15:10",
        "path": "terms[2].of",
        "message": "there is no kind of subject adlut",
        "fix": "did you mean adult?",
        "severity": "error",
    }


def test_a_dataset_may_stand_alone_under_its_key(tmp_path: Path) -> None:
    alone = MEDIA.replace("  - fides_key: media", "    fides_key: media")
    policy = load(write(tmp_path, media=alone), {})
    assert policy.catalog.collections["media.clips"].dataset == "media"


def test_other_keys_of_a_manifest_are_warned_of(tmp_path: Path) -> None:
    policy = load(write(tmp_path, media=MEDIA + "system: []\n"), {})
    assert [(problem.code, problem.path) for problem in policy.warnings] == [("unread-key", "system")]
