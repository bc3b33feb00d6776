"""What near-duplicate removal promises, held against the exact answer of the oracle."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.jobs import runs
from tests.oracle.exact_join import transitive
from tests.oracle.judge import Removed, Truth, Words, exact_answer, judge
from thresher.testing.corpus import prose, templates
from thresher.testing.planted import Planted


def removed_of(out: Path, ids: list[str]) -> dict[int, Removed]:
    """Return the removed rows as positions in the input."""
    place = {row_id: number for number, row_id in enumerate(ids)}
    return {
        place[row["_row_id"]]: Removed(place[row["_matched_id"]], row["_score"])
        for row in runs.rows_of(out, "removed")
    }


def check(table: Any, out: Path, ngram: int = 5, threshold: str = "0.7") -> dict[str, Any]:
    """Run the job on a table of `id` and `text` and judge it."""
    file = runs.parquet(out.parent / "in.parquet", table, 500)
    runs.run(file, out, id_column="id", ngram=ngram, threshold=float(threshold), audit_rows=0)
    truth = exact_answer(table["text"].to_pylist(), Words(), ngram, Fraction(threshold))
    ids = [str(i) for i in table["id"].to_pylist()]
    return judge(removed_of(out, ids), truth, Fraction(threshold)) | {"truth": truth}


@pytest.mark.slow
def test_planted_copies_go_and_everything_else_stays(garden: Planted, tmp_path: Path) -> None:
    file = runs.parquet(tmp_path / "in.parquet", garden.table, 50)
    runs.run(file, tmp_path / "out", id_column="id", split_bytes=64 << 10)
    truth = garden.truth
    # Which of two copies stays is decided by their content, so a row may go in its copy's favour.
    partner = runs.partners(tmp_path / "out")
    for kind in (truth.exact_copies, truth.variants, truth.near_copies):
        for pair in kind:
            assert pair.id in partner or pair.original in partner, pair
    assert not {i for i, _ in truth.odd} & set(partner)
    assert not {i for family in truth.templates for i in family} & set(partner)
    for pair in truth.near_misses:
        assert partner.get(pair.id) != pair.original
        assert partner.get(pair.original) != pair.id


@pytest.mark.parametrize(("ngram", "threshold"), [(5, "0.7"), (3, "0.5")])
def test_the_result_is_the_exact_greedy_walk_in_content_order(
    ngram: int, threshold: str, garden: Planted, tmp_path: Path
) -> None:
    found = check(garden.table.select(["id", "text"]), tmp_path / "out", ngram, threshold)
    assert found["unsound"] == 0, found
    assert found["missed"] == 0, found
    assert found["removed_beyond_exact_walk"] == 0
    assert found["partner_is_earliest"] == found["removed_near"]


@pytest.mark.slow
@pytest.mark.parametrize("make", [prose, templates])
@pytest.mark.parametrize("seed", [0, 1])
def test_at_most_one_in_a_hundred_is_missed_and_none_wronged(
    make: Any, seed: int, tmp_path: Path
) -> None:
    table = pa.Table.from_batches(make(6000, seed))
    found = check(table, tmp_path / "out")
    assert found["unsound"] == 0, found
    assert found["missed"] <= found["exact_walk_removes"] // 100
    assert found["removed_near"] > 100


@pytest.mark.slow
def test_transitive_keeps_one_of_each_component(garden: Planted, tmp_path: Path) -> None:
    file = runs.parquet(tmp_path / "in.parquet", garden.table, 50)
    runs.run(file, tmp_path / "out", id_column="id", clusters="transitive", threshold=0.6)
    values = garden.table["text"].to_pylist()
    ids = garden.table["id"].to_pylist()
    truth: Truth = exact_answer(values, Words(), 5, Fraction("0.6"))
    gone = transitive(truth.order, truth.pairs)
    expected = {ids[row] for row, leader in enumerate(truth.leader) if leader != row or row in gone}
    assert runs.removed_ids(tmp_path / "out") == expected


@pytest.mark.slow
def test_every_row_of_the_input_is_in_exactly_one_output(garden: Planted, tmp_path: Path) -> None:
    file = runs.parquet(tmp_path / "in.parquet", garden.table, 50)
    runs.run(file, tmp_path / "out", id_column="id", split_bytes=64 << 10)
    ledger = runs.rows_of(tmp_path / "out", "ledger")
    assert [line["_row_id"] for line in ledger] == garden.table["id"].to_pylist()
    kept = [line["_row_id"] for line in ledger if line["verdict"] == "kept"]
    assert kept == [row["id"] for row in runs.rows_of(tmp_path / "out", "data")]
    gone = {line["_row_id"]: line for line in ledger if line["verdict"] == "removed"}
    for row in runs.rows_of(tmp_path / "out", "removed"):
        line = gone.pop(row["_row_id"])
        assert (line["reason"], line["matched_id"], line["score"]) == (
            row["_reason"],
            row["_matched_id"],
            row["_score"],
        )
        assert row["_removed_by"] == "dedup"
        assert row["_matched_id"] in kept
    assert not gone
