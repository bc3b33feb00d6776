"""Every engine decides night after night as one local worker that remembers nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conformance.engines import CHAOS, KINDS, marks
from tests.jobs.dedup_nights import Night, night
from tests.jobs.test_dedup_nights import history
from thresher_jobs import dedup_night

SETTINGS = [
    ("local", 4, "shuffled", True),
    ("local", 2, "flaky", False),
    ("ray", 2, "calm", True),
    ("ray", 2, "flaky", False),
    ("spark", 2, "calm", False),
    ("spark", 2, "twice", True),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "workers", "chaos", "arrival"),
    [
        pytest.param(*s, id="-".join(map(str, s)), marks=marks(s[0], s[0] != "local" and s[3]))
        for s in SETTINGS
    ],
)
def test_nights_are_the_same_everywhere(
    kind: str,
    workers: int,
    chaos: str,
    arrival: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dedup_night, "MOST_CHOSEN", 1.0)
    monkeypatch.setattr(dedup_night, "UNIT_ROWS", 10)
    before: Night | None = None
    for number, (sources, _) in enumerate(history(random.Random(7), 3), 1):
        engine = CHAOS[chaos](KINDS[kind](workers))
        dated = number if arrival else 0
        tonight = night(tmp_path / f"{number}", sources, before=before, number=dated, engine=engine)
        scratch = night(
            tmp_path / f"scratch-{number}", sources, before=before, remember=False, number=dated
        )
        assert before is None or "rows_chosen" in tonight.facts
        assert tonight.verdicts.equals(scratch.verdicts)
        assert tonight.ledger.equals(scratch.ledger)
        before = tonight
