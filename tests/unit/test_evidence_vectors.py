"""The receipts under tests/vectors/receipts: those named ``*_fail`` are refused, the others verify, on every version to come."""

from __future__ import annotations

from pathlib import Path

import pytest

from expunge.errors import BadProof
from expunge.evidence.receipts import verify_receipt

FOLDER = Path(__file__).parents[1] / "vectors" / "receipts"
TRUST = (FOLDER / "trust.json").read_bytes()
RECEIPTS = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "trust")


@pytest.mark.parametrize("name", RECEIPTS)
def test_vector(name: str) -> None:
    receipt = (FOLDER / f"{name}.json").read_bytes()
    if name.endswith("_fail"):
        with pytest.raises(BadProof):
            verify_receipt(receipt, TRUST)
    else:
        verified = verify_receipt(receipt, TRUST)
        assert (verified.index, verified.size) == (4, 305)
        assert verified.witnesses == (("vectors.example/witness",) if name == "cosigned" else ())


def test_there_are_vectors_of_both_kinds() -> None:
    assert sum(name.endswith("_fail") for name in RECEIPTS) > 30
    assert sum(not name.endswith("_fail") for name in RECEIPTS) == 3
