"""Every engine gives the bytes that one local worker gives, in the manifest and all outputs.

CI runs settings in which every two values of engine, workers, misbehaviour, way of joining and
configuration meet; `python -m tests.conformance.soak` runs them all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cases import CASES, SPLIT_BYTES, write_inputs
from tests.conformance.engines import KINDS, Setting, pairwise
from tests.jobs import runs
from thresher.engines.local import LocalEngine
from thresher.errors import Stopped
from thresher.testing.planted import Planted

QUICK = ("greedy", "ids")
Reference = Callable[[str], Path]


PAIRWISE = pairwise()
# Of the clusters' settings every second one waits for the soak: recipes run all jobs on them, too.
WAITING = {*[s for s in PAIRWISE if s.kind != "local"][1::2]}
SOAK = (pytest.mark.slow, pytest.mark.soak)


def _marked(setting: Setting) -> Any:
    quick = setting.kind == "local" and setting.case in QUICK
    slow = SOAK if setting in WAITING else pytest.mark.slow
    return pytest.param(setting, id=str(setting), marks=() if quick else slow)


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


def _by_session(setting: Setting) -> tuple[str, bool, int]:
    """Sort by session: Spark has one a number of workers, and other files have two workers."""
    return setting.kind, setting.workers == 2, setting.workers


@pytest.mark.slow
@pytest.mark.parametrize("setting", [_marked(s) for s in sorted(PAIRWISE, key=_by_session)])
def test_the_engine_gives_the_bytes_of_one_local_worker(
    setting: Setting, inputs: list[Path], reference: Reference, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = runs.run(
        inputs,
        out,
        engine=setting.make(),
        options=setting.options,
        split_bytes=SPLIT_BYTES,
        **CASES[setting.case],
    )
    assert runs.tree(out) == runs.tree(reference(setting.case))
    assert report["rows_removed"] > 20
    assert report["rows_in"] == 408
    assert report["plan"]["engine"].partition(",")[0] == setting.kind


STOPS = [
    pytest.param(setting, units, id=f"{setting}:{units}", marks=marks)
    for setting, units, marks in [
        (Setting("local", 2, "flaky", "driver", "greedy"), 13, ()),
        (Setting("local", 1, "calm", "driver", "greedy"), 3, pytest.mark.slow),
        (Setting("local", 4, "shuffled", "stages", "greedy"), 28, pytest.mark.slow),
        (Setting("ray", 2, "calm", "driver", "greedy"), 3, pytest.mark.slow),
        (Setting("ray", 4, "flaky", "stages", "greedy"), 13, SOAK),
        (Setting("spark", 2, "calm", "driver", "greedy"), 3, SOAK),
        (Setting("spark", 4, "shuffled", "stages", "greedy"), 13, pytest.mark.slow),
    ]
]


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "units"), STOPS)
def test_a_stopped_run_resumes_to_the_same_bytes(
    setting: Setting, units: int, inputs: list[Path], reference: Reference, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    how: dict[str, Any] = {"split_bytes": SPLIT_BYTES, "options": setting.options}
    with pytest.raises(Stopped):
        runs.run(inputs, out, engine=setting.make(), listener=runs.StopAfter(units), **how)
    assert not (out / "manifest.json").exists()
    assert runs.status(out)["state"] == "stopped"
    report = runs.run(inputs, out, engine=setting.make(), **how)
    assert sum(runs.resumed(report).values()) >= units
    assert runs.tree(out) == runs.tree(reference("greedy"))


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("spark", "ray"), ("ray", "local")])
def test_a_run_stopped_by_one_engine_is_finished_by_another(
    first: str, second: str, inputs: list[Path], reference: Reference, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    engine = KINDS[first](2)
    with pytest.raises(Stopped):
        runs.run(inputs, out, engine=engine, listener=runs.StopAfter(15), split_bytes=SPLIT_BYTES)
    report = runs.run(inputs, out, engine=KINDS[second](2), split_bytes=SPLIT_BYTES)
    assert runs.resumed(report)["attributes"] == report["plan"]["tasks"]
    assert runs.tree(out) == runs.tree(reference("greedy"))
