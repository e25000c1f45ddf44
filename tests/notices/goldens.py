"""Writes the golden notices anew, after a change that was meant: ``python -m tests.notices.goldens``."""

from __future__ import annotations

from expunge.app.publishing import FORMATS
from expunge.family.notice_kinds import make_notice
from expunge.family.notice_page import print_notice
from expunge.family.notices import KINDS, held_by_kind
from expunge.policy.load import load
from expunge.policy.ownership import ownership
from tests.notices.test_notices import GOLDEN, ROOT, steady

if __name__ == "__main__":
    policy = load(ROOT / "examples/home/expunge.yaml", {})
    held = held_by_kind(policy, ownership(policy.catalog, {}))
    for kind in KINDS:
        for as_ in FORMATS:
            (GOLDEN / f"{kind}.{as_}").write_text(steady(print_notice(make_notice(kind, policy, held), as_)), "utf-8")
