"""Writes the policy beside the data, pointing at where the data was put."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy.engine import make_url

from examples.home.where import Where

HERE = Path(__file__).parent
SQL = 'url: "${HOME_APP_URL:-sqlite:///data/app.db}"'
TEXT = "          - {name: text, data_categories: [user.content.private.spoken]}\n"
SEARCH = "          - {name: search, data_categories: [user.content.private.spoken]}\n"
"""PostgreSQL's full-text index is a column of the transcripts; SQLite's is a table that hangs on them."""
MEDIA = 'url: "${HOME_MEDIA_URL:-data/media}", versions: folder'


HUNT = """
# Every erasure also looks at these places, and at the whole of every store above, for copies that nobody listed.
hunt:
  owner: data platform team
  places:
    share: {url: share}
    warehouse: {url: "sqlite:///warehouse/asr.db"}
"""
"""Where the copies that nobody listed lie; the policy knows the places, and nothing of what is in them."""


def write_policy(estate: Where, *, unlisted: bool = False) -> tuple[Path, dict[str, str]]:
    """Copy ``expunge.yaml`` and its datasets into the estate's folder, its stores' places filled in.

    Returns the policy's path and the environment that it needs: a URL with a password is never written into a file.
    """
    text = (HERE / "expunge.yaml").read_text("utf-8")
    environment: dict[str, str] = {}
    if estate.sql:
        secret = make_url(estate.sql).password
        environment |= {"HOME_APP_URL": estate.sql} if secret else {}
        text = _replaced(text, SQL, 'url: "${HOME_APP_URL}"' if secret else f'url: "${{HOME_APP_URL:-{estate.sql}}}"')
    if estate.media:
        endpoint = f', endpoint_url: "{estate.endpoint}"' if estate.endpoint else ""
        text = _replaced(text, MEDIA, f'url: "${{HOME_MEDIA_URL:-{estate.media}}}"{endpoint}')
    if unlisted:
        text += HUNT
    policy = estate.directory / "expunge.yaml"
    policy.write_text(text, "utf-8")
    datasets = shutil.copytree(HERE / "datasets", estate.directory / "datasets")
    if make_url(estate.sql_url).get_backend_name() == "postgresql":
        app = datasets / "app.yml"
        app.write_text(_replaced(app.read_text("utf-8"), TEXT, TEXT + SEARCH), "utf-8")
    return policy, environment


def _replaced(text: str, was: str, now: str) -> str:
    """Replace what is there exactly once; a policy edited past recognition fails here, not at the first erasure."""
    assert text.count(was) == 1, was
    return text.replace(was, now)
