"""`thresher.dedup` takes a Spark DataFrame or a Ray Dataset and returns its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import thresher
from tests.conformance import on_ray, on_spark
from thresher.errors import ConfigError
from thresher.testing.planted import Planted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]

EXTRA = ["_row_id", "_removed_by", "_reason", "_matched_id", "_score"]


def frame_of(garden: Planted) -> Any:
    session = on_spark.hold_session(2)
    return session.createDataFrame(garden.table).repartition(3)


def dataset_of(garden: Planted) -> Any:
    on_ray.connect()
    from ray import data

    return data.from_arrow(garden.table).repartition(3)


def texts(rows: list[Any]) -> list[str]:
    return sorted(row["text"] for row in rows)


@pytest.fixture(scope="module")
def expected(garden: Planted) -> thresher.JobResult:
    return thresher.dedup(garden.table, id_column="id")


def test_a_spark_frame_comes_back_as_a_frame(
    garden: Planted, expected: thresher.JobResult, tmp_path: Path
) -> None:
    frame = frame_of(garden)
    found = thresher.dedup(frame, out=tmp_path / "out", id_column="id")
    assert found.kept.schema == frame.schema
    assert texts(found.kept.collect()) == texts(expected.kept.to_pylist())
    assert found.removed.columns == [*frame.columns, *EXTRA]
    gone = found.removed.collect()
    assert texts(gone) == texts(expected.removed.to_pylist())
    assert all(0.7 <= row["_score"] <= 1 for row in gone)
    assert found.quarantined.count() == 0
    assert found.report["plan"]["engine"] == "spark"
    assert "<html" in found.html
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_ray_dataset_comes_back_as_a_dataset(
    garden: Planted, expected: thresher.JobResult, tmp_path: Path
) -> None:
    dataset = dataset_of(garden)
    found = thresher.dedup(dataset, out=tmp_path / "out", id_column="id")
    assert found.kept.schema().names == dataset.schema().names
    assert texts(found.kept.take_all()) == texts(expected.kept.to_pylist())
    assert found.removed.schema().names == [*dataset.schema().names, *EXTRA]
    assert texts(found.removed.take_all()) == texts(expected.removed.to_pylist())
    assert found.quarantined.count() == 0
    assert found.report["plan"]["engine"] == "ray"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_rows_of_a_cluster_need_a_folder_that_is_new(garden: Planted, tmp_path: Path) -> None:
    for data in (frame_of(garden), dataset_of(garden)):
        with pytest.raises(ConfigError, match=f"a {type(data).__name__} needs `out`"):
            thresher.dedup(data)
        with pytest.raises(ConfigError, match="the output folder is not empty"):
            thresher.dedup(data, out=Path(__file__).parent)
    with pytest.raises(ConfigError, match="those of its Spark session"):
        thresher.dedup(frame_of(garden), out=tmp_path / "out", workers=2)
