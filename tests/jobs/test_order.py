"""Which of two copies stays: the source, then `keep`, then the content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.jobs import runs
from tests.jobs.sentences import BASE, CLOSE
from thresher.errors import ConfigError, InputError
from thresher.params import build
from thresher_jobs.dedup_params import DedupParams


def ids(out: Path, column: str = "id") -> list[Any]:
    return sorted(runs.kept_texts(out, column))


def test_keep__first_is_decided_by_source_then_content_not_by_row_order(tmp_path: Path) -> None:
    kept = []
    for name, rows in (("a", [BASE, CLOSE]), ("b", [CLOSE, BASE])):
        file = runs.texts(tmp_path / name / "in.parquet", rows)
        runs.run(file, tmp_path / name / "out", keep="first")
        kept.append(runs.kept_texts(tmp_path / name / "out"))
    assert kept[0] == kept[1]


def test_keep__longest(tmp_path: Path) -> None:
    longer = BASE + " and more"
    for order in ([BASE, longer], [longer, BASE]):
        out = tmp_path / str(order.index(longer))
        file = runs.texts(out.with_suffix(".parquet"), order)
        runs.run(file, out, keep="longest")
        assert runs.kept_texts(out) == [longer]


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([1, 3, 2], 1),
        ([0.5, None, 0.25], 0),
        ([-1.5, -0.5, float("nan")], 1),
        ([-(2**62), 2**62, 2**62 - 1], 1),
        ([None, None, 0], 2),
        (["9", "10", "8.5"], 1),
    ],
)
def test_keep__best_takes_the_largest_number_and_null_last(
    values: list[Any], best: int, tmp_path: Path
) -> None:
    rows = [{"id": n, "text": "same", "score": v} for n, v in enumerate(values)]
    runs.run(runs.parquet(tmp_path / "in.parquet", rows), tmp_path / "out", keep="best:score")
    assert ids(tmp_path / "out") == [best]


def test_keep__best_compares_whole_and_broken_numbers_across_files(tmp_path: Path) -> None:
    runs.jsonl(tmp_path / "in" / "a.jsonl", [{"id": 1, "text": "same", "score": 10}])
    runs.jsonl(tmp_path / "in" / "b.jsonl", [{"id": 2, "text": "same", "score": 2.5}])
    runs.run(tmp_path / "in", tmp_path / "out", keep="best:score")
    assert ids(tmp_path / "out") == [1]


@pytest.mark.parametrize(
    "times",
    [
        ("2023-01-01", "2024-06-01", "2024-05-31"),
        ("2023-01-01T10:00:00", "2024-06-01T00:00:01", "2024-06-01T00:00:00"),
        ("2023-01-01T10:00:00Z", "2024-06-01T00:00:01Z", "2024-06-01T00:00:00Z"),
        ("2024-05-31T23:00:00+02:00", "2024-06-01T00:00:01+00:00", "2024-06-01T02:00:00+02:00"),
    ],
)
def test_keep__newest_takes_the_latest_time(times: tuple[str, ...], tmp_path: Path) -> None:
    rows = [{"id": n, "text": "same", "seen": t} for n, t in enumerate(times)]
    runs.run(runs.jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out", keep="newest:seen")
    assert ids(tmp_path / "out") == [1]


@pytest.mark.parametrize("keep", ["best:score", "newest:score"])
def test_keep__refuses_a_column_without_order(keep: str, tmp_path: Path) -> None:
    rows = [{"text": "a", "score": "high"}, {"text": "b", "score": "low"}]
    with pytest.raises(InputError, match="column 'score' cannot order rows"):
        runs.run(runs.parquet(tmp_path / "in.parquet", rows), tmp_path / "out", keep=keep)


@pytest.mark.parametrize("keep", ["last", "best:", "first:x", "newest"])
def test_keep__refuses_what_it_does_not_know(keep: str) -> None:
    with pytest.raises(ConfigError, match="expected first, longest, best:COLUMN"):
        build(DedupParams, {"keep": keep})


@pytest.mark.slow
def test_source_priority__lets_the_earlier_input_win(tmp_path: Path) -> None:
    names = ("a", "b")
    files = [
        runs.texts(tmp_path / f"{n}.parquet", [t])
        for n, t in zip(names, (BASE, CLOSE), strict=True)
    ]
    for order in (files, files[::-1]):
        out = tmp_path / f"first-{order[0].stem}"
        runs.run(order, out, max_removed_fraction=1)
        assert runs.kept_texts(out) == [BASE if order[0].stem == "a" else CLOSE]
    without = [tmp_path / "ab", tmp_path / "ba"]
    for order, out in zip((files, files[::-1]), without, strict=True):
        runs.run(order, out, source_priority=False, max_removed_fraction=1)
    assert runs.kept_texts(without[0]) == runs.kept_texts(without[1])


@pytest.mark.slow
def test_source_priority__comes_before_keep(tmp_path: Path) -> None:
    short, long = (
        runs.texts(tmp_path / "a.parquet", [BASE]),
        runs.texts(tmp_path / "b.parquet", [BASE + " x"]),
    )
    for priority, kept in ((True, BASE), (False, BASE + " x")):
        how: dict[str, Any] = {
            "keep": "longest",
            "source_priority": priority,
            "max_removed_fraction": 1,
        }
        runs.run([short, long], tmp_path / str(priority), **how)
        assert runs.kept_texts(tmp_path / str(priority)) == [kept]
