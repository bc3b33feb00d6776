"""What the driver joins and what stages join beyond its limit is the same, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cases import CASES, SPLIT_BYTES, write_inputs
from tests.jobs import runs
from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.errors import LimitError, Stopped
from thresher.run import Event
from thresher.testing.chaos import Shuffled
from thresher.testing.planted import Planted

QUICK = "greedy"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, garden: Planted) -> list[Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), garden)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [QUICK, *(pytest.param(c, marks=pytest.mark.slow) for c in CASES if c != QUICK)]
)
def test_beyond_the_drivers_limit_stages_give_the_same_bytes(
    case: str, inputs: list[Path], tmp_path: Path
) -> None:
    how: dict[str, Any] = {"split_bytes": SPLIT_BYTES, **CASES[case]}
    whole = runs.run(inputs, tmp_path / "whole", **how)
    assert not any(r["name"] == "follow" for r in whole["stages"])
    for limit in (0, 100):
        out = tmp_path / f"staged-{limit}"
        engine = Shuffled(LocalEngine(2), seed=limit)
        staged = runs.run(
            inputs, out, engine=engine, options=EngineOptions(driver_rows=limit), **how
        )
        assert any(r["name"] == "follow" and r["tasks"] > 1 for r in staged["stages"])
        assert runs.tree(out) == runs.tree(tmp_path / "whole")
        for name in ("removed_by", "cluster_sizes", "similarity_histogram", "recall"):
            assert staged[name] == whole[name]
        for name in ("largest_clusters", "least_similar", "sources"):
            assert staged[name] == whole[name]


class StopIn:
    """Stops the run when a stage of the given name has done one unit."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __call__(self, event: Event) -> None:
        if event.kind == "progress" and event.stage == self.stage:
            raise Stopped(15)


@pytest.mark.slow
def test_every_round_of_joining_resumes(inputs: list[Path], tmp_path: Path) -> None:
    how: dict[str, Any] = {"split_bytes": SPLIT_BYTES, "options": EngineOptions(driver_rows=0)}
    whole = runs.run(inputs, tmp_path / "whole", **how)
    after = [r["name"] for r in whole["stages"] if r["name"] not in ("attributes", "collapse")]
    assert {"join-01-large", "join-01-small", "pieces", "edges-left", "edges-right"} < set(after)
    out = tmp_path / "out"
    for number, stage in enumerate(after):
        with pytest.raises(Stopped):
            runs.run(inputs, out, engine=LocalEngine(1), listener=StopIn(stage), **how)
        done = runs.status(out)["stages"]
        assert [r["name"] for r in done[-number:] if number] == after[:number]
        assert all(r["resumed"] == r["tasks"] for r in done[2 : number + 1])
    runs.run(inputs, out, **how)
    assert runs.tree(out) == runs.tree(tmp_path / "whole")


@pytest.mark.slow
def test_the_limit_on_removals_blames_the_same_clusters(inputs: list[Path], tmp_path: Path) -> None:
    messages = []
    for limit in (0, 1000):
        with pytest.raises(LimitError, match="rows like") as caught:
            runs.run(
                inputs,
                tmp_path / str(limit),
                split_bytes=SPLIT_BYTES,
                options=EngineOptions(driver_rows=limit),
                max_removed_fraction=0.01,
            )
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
