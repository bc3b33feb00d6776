"""Every engine gives the bytes that one local worker gives, in the manifest and all outputs.

Each engine takes each configuration; the inner loop takes one pair for each kind of engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cases import CASES, SPLIT_BYTES, write_inputs
from tests.conformance.engines import ENGINES
from tests.jobs import runs
from thresher.engines.local import LocalEngine
from thresher.errors import Stopped
from thresher.run import Event
from thresher.stage import Engine
from thresher.testing.planted import Planted

QUICK = {"local-2": "ids", "shuffled-4": "greedy", "twice": "transitive", "flaky": "bloom"}
Reference = Callable[[str], Path]


def _pairs() -> Iterator[Any]:
    for engine in ENGINES:
        for case in CASES:
            quick = case == QUICK.get(engine)
            yield pytest.param(
                engine, case, id=f"{engine}:{case}", marks=() if quick else pytest.mark.slow
            )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, garden: Planted) -> list[Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), garden)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Reference:
    """Run a configuration once on one local worker."""
    made: dict[str, Path] = {}

    def of(case: str) -> Path:
        if case not in made:
            out = tmp_path_factory.mktemp("reference") / "out"
            report = runs.run(
                inputs, out, engine=LocalEngine(1), split_bytes=SPLIT_BYTES, **CASES[case]
            )
            assert report["plan"]["tasks"] >= 6
            made[case] = out
        return made[case]

    return of


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    """Make engines of the kind under test."""
    return ENGINES[request.param]


@pytest.mark.parametrize(("engine", "case"), list(_pairs()), indirect=["engine"])
def test_the_engine_gives_the_bytes_of_one_local_worker(
    engine: Callable[[], Engine],
    case: str,
    inputs: list[Path],
    reference: Reference,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    report = runs.run(inputs, out, engine=engine(), split_bytes=SPLIT_BYTES, **CASES[case])
    assert runs.tree(out) == runs.tree(reference(case))
    assert report["rows_removed"] > 20
    assert report["rows_in"] == 408


class StopAfter:
    """Stops the run, as a signal would, when so many units of work have ended."""

    def __init__(self, units: int) -> None:
        self.left = units

    def __call__(self, event: Event) -> None:
        if event.kind == "progress":
            self.left -= 1
            if not self.left:
                raise Stopped(15)


def _stops() -> Iterator[Any]:
    for engine in ENGINES:
        for units in (3, 13, 28):
            quick = (engine, units) == ("flaky", 13)
            yield pytest.param(
                engine, units, id=f"{engine}:{units}", marks=() if quick else pytest.mark.slow
            )


@pytest.mark.parametrize(("engine", "units"), list(_stops()), indirect=["engine"])
def test_a_stopped_run_resumes_to_the_same_bytes(
    engine: Callable[[], Engine],
    units: int,
    inputs: list[Path],
    reference: Reference,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    how: dict[str, Any] = {"split_bytes": SPLIT_BYTES, **CASES["greedy"]}
    with pytest.raises(Stopped):
        runs.run(inputs, out, engine=engine(), listener=StopAfter(units), **how)
    assert not (out / "manifest.json").exists()
    assert runs.status(out)["state"] == "stopped"
    report = runs.run(inputs, out, engine=engine(), **how)
    assert sum(runs.resumed(report).values()) >= units
    assert runs.tree(out) == runs.tree(reference("greedy"))


@pytest.mark.parametrize("engine", ["shuffled-4"], indirect=True)
def test_a_run_stopped_by_one_engine_is_finished_by_another(
    engine: Callable[[], Engine], inputs: list[Path], reference: Reference, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        runs.run(inputs, out, engine=engine(), listener=StopAfter(15), split_bytes=SPLIT_BYTES)
    report = runs.run(inputs, out, engine=LocalEngine(2), split_bytes=SPLIT_BYTES)
    assert runs.resumed(report)["attributes"] == report["plan"]["tasks"]
    assert runs.tree(out) == runs.tree(reference("greedy"))
