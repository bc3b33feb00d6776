"""Shapes that break near-duplicate removal: chains, stars, giant pieces, a million copies."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.sentences import WORDS, sentence
from tests.oracle.judge import Removed, Words, exact_answer, judge
from thresher.errors import LimitError
from thresher.testing.planted import jaccard
from thresher.transforms.components import audit, flatten, singletons, unite

LONG = [WORDS[n % len(WORDS)] + WORDS[n // len(WORDS) + 7 * n % 11] for n in range(60_000)]


def chain(num: int) -> list[str]:
    """Return texts of which only neighbours are similar: windows of 104 words, 12 apart."""
    return [" ".join(LONG[12 * n : 12 * n + 104]) for n in range(num)]


def star(num: int) -> list[str]:
    """Return a centre, and leaves that are similar to it and not to each other."""
    centre = LONG[:204]
    leaves = []
    for n in range(num):
        start = 4 + 9 * (n % 20)
        fresh = LONG[1000 + 30 * n : 1000 + 30 * n + 26]
        leaves.append(" ".join([*centre[:start], *fresh, *centre[start + 26 :]]))
    return [" ".join(centre), *leaves]


def judged(values: list[str], tmp_path: Path) -> dict[str, object]:
    """Run the job and judge it by the exact answer."""
    file = runs.texts(tmp_path / "in.parquet", values)
    runs.run(file, tmp_path / "out", max_removed_fraction=1, audit_rows=0)
    removed = {
        int(row["_row_id"].rpartition(":")[2]): Removed(
            int(row["_matched_id"].rpartition(":")[2]), row["_score"]
        )
        for row in runs.rows_of(tmp_path / "out", "removed")
    }
    threshold = Fraction("0.7")
    return judge(removed, exact_answer(values, Words(), 5, threshold), threshold)


def test_the_shapes_are_what_they_claim() -> None:
    a, b, c = chain(3)
    assert jaccard(a, b) >= 0.7 > jaccard(a, c)
    centre, *leaves = star(30)
    assert min(jaccard(centre, leaf) for leaf in leaves) >= 0.7
    assert jaccard(leaves[0], leaves[7]) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("shape", [chain, star])
def test_chains_and_stars_are_walked_exactly(shape: object, tmp_path: Path) -> None:
    assert callable(shape)
    found = judged(shape(300), tmp_path)
    assert found["unsound"] == 0
    assert found["removed_beyond_exact_walk"] == 0
    assert found["missed"] == 0
    assert int(str(found["exact_walk_removes"])) > 10


def test_a_chain_is_one_piece_for_transitive_clusters(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", chain(200))
    report = runs.run(
        file, tmp_path / "out", clusters="transitive", recall=0.9999, max_removed_fraction=1
    )
    assert report["rows_kept"] == 1
    assert report["cluster_sizes"] == [{"size": 200, "clusters": 1}]


@pytest.mark.parametrize("shape", ["path", "shuffled path", "star", "two halves"])
def test_every_edge_ends_in_one_piece(shape: str) -> None:
    num = 200_000
    rows = np.arange(num, dtype=np.uint32)
    if shape == "shuffled path":
        rows = np.random.default_rng(1).permutation(rows)
    left, right = rows[:-1], rows[1:]
    if shape == "star":
        left = np.zeros_like(left)
    if shape == "two halves":
        keep = left != num // 2 - 1
        left, right = left[keep], right[keep]
    parent = singletons(num)
    unite(parent, np.ascontiguousarray(left), np.ascontiguousarray(right))
    flatten(parent)
    assert audit(parent, np.ascontiguousarray(left), np.ascontiguousarray(right)) == 0
    assert len(np.unique(parent)) == (2 if shape == "two halves" else 1)


@pytest.mark.slow
def test_a_giant_piece_is_decided_exactly(tmp_path: Path) -> None:
    found = judged(chain(4000), tmp_path)
    assert found["unsound"] == 0
    assert found["removed_beyond_exact_walk"] == 0
    assert int(str(found["missed"])) <= int(str(found["exact_walk_removes"])) // 100


def test_too_many_near_copies_stop_the_run_and_name_the_clusters(
    tmp_path: Path, thresher: runs.Command
) -> None:
    rows = [f"{sentence(1)} {WORDS[20_000 + n]}" for n in range(30)]
    rows += [f"{sentence(2)} {WORDS[21_000 + n]}" for n in range(10)]
    file = runs.texts(tmp_path / "in.parquet", rows)
    out = tmp_path / "out"
    code, _, err = thresher("dedup", file, "--out", out, "--quiet")
    assert code == 4
    assert "38 of 40 rows of source 'in.parquet' would be removed as near copies" in err
    assert "29 rows like in.parquet:" in err
    assert "9 rows like in.parquet:" in err
    assert sentence(1)[:60] in err
    assert "Traceback" not in err
    assert not (out / "manifest.json").exists()
    assert not (out / "data").exists()
    assert runs.status(out)["exit_code"] == 4
    with pytest.raises(LimitError):
        runs.run(file, out)


def test_the_limit_counts_each_source_alone(tmp_path: Path) -> None:
    good = runs.texts(tmp_path / "good.parquet", [sentence(n) for n in range(3, 90)])
    bad = runs.texts(
        tmp_path / "bad.parquet", [f"{sentence(1)} {WORDS[20_000 + n]}" for n in range(12)]
    )
    with pytest.raises(LimitError, match=r"11 of 12 rows of source 'bad\.parquet'"):
        runs.run([good, bad], tmp_path / "out")


@pytest.mark.slow
def test_a_million_identical_documents_cost_a_million_rows(tmp_path: Path) -> None:
    one = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(1_000_000, np.int32)), pa.array([sentence(1, 20)])
    )
    table = pa.table({"text": one.cast(pa.string())})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=50_000)
    report = runs.run(tmp_path / "in.parquet", tmp_path / "out", split_bytes=16 << 20)
    assert (report["rows_kept"], report["removed_by"]["exact_copy"]) == (1, 999_999)
    assert report["plan"]["exact_looked_at"] == 1_000_000
    assert report["plan"]["pairs_compared"] == 0
    assert report["plan"]["largest_bucket"] <= 1
    seconds = {stage["name"]: stage["seconds"] for stage in report["stages"]}
    assert max(seconds.values()) < 60
