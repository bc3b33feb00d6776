"""A file is believed only with its receipt, and what is absent never counts as empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs import runs
from tests.jobs.sentences import sentence
from thresher.engines.local import LocalEngine
from thresher.errors import InternalError, Stopped
from thresher.run import Event
from thresher.stage import ExchangeStage, MapStage, Progress, Receipt, Task, run_task
from thresher.store import Store

ROWS = [{"text": sentence(n % 25)} for n in range(50)]


class ForgetfulEngine(LocalEngine):
    """Loses the receipt of one unit of a stage."""

    def __init__(self, stage: str, unit: int) -> None:
        super().__init__(1)
        self.stage, self.unit = stage, unit

    def _filtered(self, stage: str, done: Progress) -> Progress:
        def told(receipt: Receipt) -> None:
            if (stage, receipt.task) != (self.stage, self.unit):
                done(receipt)

        return told

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        super().run_map(store, stage, tasks, self._filtered(stage.name, done))

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        super().run_exchange(store, stage, partitions, self._filtered(stage.name, done))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return runs.parquet(tmp_path / "in.parquet", ROWS, 10)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "unit"), [("attributes", 1), ("collapse", 0), ("select", 2)])
def test_a_missing_receipt_is_refused_and_nothing_is_committed(
    stage: str, unit: int, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InternalError, match=f"stage {stage}: no receipt from"):
        runs.run(source, out, engine=ForgetfulEngine(stage, unit), split_bytes=2048)
    assert not (out / "manifest.json").exists()
    assert runs.status(out)["exit_code"] == 70
    report = runs.run(source, out, split_bytes=2048)  # a sound engine finishes it
    assert report["rows_kept"] == 25


class StopAt:
    """Stops as a stage begins."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __call__(self, event: Event) -> None:
        if event.kind == "start" and event.stage == self.stage:
            raise Stopped(15)


@pytest.mark.parametrize("victim", ["receipt", "file", "both"])
def test_work_without_its_receipt_or_file_is_done_again(
    victim: str, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        runs.run(source, out, listener=StopAt("buckets"), split_bytes=2048)
    (folder,) = (out / ".thresher").glob("attributes-*")
    for name in ("receipt-00001.json", "attributes/part-00001.arrow"):
        if victim == "both" or name.startswith("receipt") == (victim == "receipt"):
            (folder / name).unlink()
    report = runs.run(source, out, split_bytes=2048)
    assert runs.resumed(report)["attributes"] == report["plan"]["tasks"] - 1
    assert report["rows_kept"] == 25


def test_two_attempts_that_disagree_are_our_bug(tmp_path: Path) -> None:
    attempts = iter((1, 2))

    def drift(store: Store, folder: str, task: Task) -> Receipt:
        return Receipt(task=task.index, rows_in=next(attempts))

    stage = MapStage("drift", "key", drift, (Task(0, None),))
    store = Store(str(tmp_path))
    run_task(store, stage, stage.tasks[0])
    with pytest.raises(InternalError, match="gave two different results"):
        run_task(store, stage, stage.tasks[0])


@pytest.mark.parametrize("left", [b"", bytes(200), b'{"task": 1, "fi'])
def test_a_receipt_that_a_power_cut_left_is_none(left: bytes, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        runs.run(source, out, listener=StopAt("buckets"), split_bytes=2048)
    (folder,) = (out / ".thresher").glob("attributes-*")
    (folder / "receipt-00001.json").write_bytes(left)
    report = runs.run(source, out, split_bytes=2048)
    assert runs.resumed(report)["attributes"] == report["plan"]["tasks"] - 1
    assert report["rows_kept"] == 25
