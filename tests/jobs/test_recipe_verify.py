"""`thresher verify` on recipes: removals of each step hold, and what it cannot tell is said."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs.recipes import run, write
from tests.jobs.runs import jsonl
from tests.jobs.sentences import sentence, with_tail
from thresher.errors import InputError
from thresher_jobs.verify import verify

pytestmark = pytest.mark.slow
SHORT = {"short": {"signal": "response_words", "min": 5}}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions and answers: copies, near copies, two leaked items, short answers, an echo."""
    folder = tmp_path_factory.mktemp("rows")
    made = [{"instruction": sentence(n, 20), "output": f"{sentence(30 + n)}."} for n in range(24)]
    near = [{"instruction": with_tail(n, 19, 1), "output": f"{sentence(30 + n)}."} for n in (6, 7)]
    short = [{"instruction": sentence(70 + n, 20), "output": "Yes."} for n in range(2)]
    echo = [{"instruction": sentence(75, 20), "output": sentence(75, 20)}]
    jsonl(folder / "rows.jsonl", [*made, *made[:2], *near, *short, *echo])
    jsonl(folder / "bench.jsonl", [{"question": sentence(n, 20)} for n in (3, 4, 80)])
    return folder


def _steps(rows: Path, *more: dict[str, Any]) -> list[dict[str, Any]]:
    against = [f"bench={rows / 'bench.jsonl'}"]
    score = {"profile": "sft", "rules": SHORT}
    return [
        {"dedup": {"on": "conversation"}},
        {"decontaminate": {"against": against}},
        {"score": score},
        *more,
    ]


@pytest.fixture(scope="module")
def done(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done") / "out"
    run(write(out.with_name("r.yaml"), [rows / "rows.jsonl"], _steps(rows)), out)
    return out


def test_every_step_is_checked_by_its_name_and_the_rest_is_said(done: Path) -> None:
    told = list(verify(str(done)))
    said = "\n".join(told)
    assert "4 copies compared again; lowest similarity 0." in said
    assert "2 removed rows have their match; no kept row has one, and none is equal" in said
    assert "3 rows removed by figures that rules of the profile refuse" in said
    assert [line for line in told if line.startswith("not checked")] == [
        "not checked decontaminate: no row was searched again for test items",
        "not checked score: signals were not computed again",
        "not checked that no row that was kept should have gone: run the recipe again for that",
    ]


MORE: dict[str, tuple[list[dict[str, Any]], str]] = {
    "mix": ([{"mix": {"total": 30, "max_repeats": 3}}], "the draw was not made again"),
    "split": ([{"split": {"test": 0.3}}], "4 copies compared again"),
    "convert": ([{"convert": {"to": "messages"}}], "dedup: rows were compared as they were read"),
    "all": (
        [{"mix": {"total": 30, "max_repeats": 3}}, {"split": {"test": 0.3}},
         {"convert": {"to": "messages"}}],
        "rows were not converted again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("more", MORE)
def test_recipes_of_any_steps_hold(rows: Path, tmp_path: Path, more: str) -> None:
    steps, expected = MORE[more]
    recipe = write(tmp_path / "r.yaml", [rows / "rows.jsonl"], _steps(rows, *steps))
    run(recipe, tmp_path / "out")
    assert any(expected in line for line in verify(str(tmp_path / "out")))


def _change(out: Path, folder: str, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Change rows of a part, and let the manifest say that it is so."""
    name = f"{folder}/part-00000.parquet"
    table = pq.read_table(out / name)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out / name)
    content = (out / name).read_bytes()
    manifest = json.loads((out / "manifest.json").read_text())
    for file in manifest["files"]:
        if file[0] == name:
            file[1:] = [len(content), hashlib.sha256(content).hexdigest()]
    (out / "manifest.json").write_text(json.dumps(manifest))


def _of(rows: list[dict[str, Any]], step: str) -> dict[str, Any]:
    return next(row for row in rows if row["_removed_by"] == step)


def _put_back(out: Path) -> None:
    (gone, *_) = [
        row for row in pq.read_table(out / "removed").to_pylist()
        if row["_removed_by"] == "decontaminate"
    ]  # fmt: skip
    _change(out, "data", lambda rows: rows[9].update({k: gone[k] for k in rows[9]}))


def _misreport(out: Path) -> None:
    report = json.loads((out / "report.json").read_text())
    report["removed_by"]["decontaminate"] += 1
    (out / "report.json").write_text(json.dumps(report))


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a leaked row is in the data": (_put_back, "a row that decontaminate removed is in the data"),
    "the report": (_misreport, "report.json says 3 rows removed by decontaminate, there are 2"),
    "a row with two verdicts": (
        lambda out: _change(out, "ledger", lambda rows: rows[5].update(_row_id="rows.jsonl:6")),
        "stands twice",
    ),
    "another similarity": (
        lambda out: _change(
            out, "removed", lambda rows: next(
                r for r in rows if r["_reason"] == "near_copy").update(_score=0.99),
        ),
        "stated similarity 0.99 is not the real one",
    ),
    "another partner": (
        lambda out: _change(
            out, "removed", lambda rows: _of(rows, "dedup").update(_matched_id="rows.jsonl:9")
        ),
        "is not the real one",
    ),
    "no match": (
        lambda out: _change(out, "matches", lambda rows: rows[0].update(item_id="another")),
        "which matches/ lacks",
    ),
    "a figure that no rule refuses": (
        lambda out: _change(out, "removed", lambda rows: _of(rows, "score").update(_score=50.0)),
        "does not refuse 50.0",
    ),
    "a rule that is none": (
        lambda out: _change(out, "removed", lambda rows: _of(rows, "score").update(_reason="x")),
        "which is no such rule",
    ),
    "a step that is none": (
        lambda out: _change(out, "removed", lambda rows: rows[0].update(_removed_by="nobody")),
        "which is no step",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_statement_that_does_not_hold_is_found(done: Path, tmp_path: Path, what: str) -> None:
    shutil.copytree(done, tmp_path / "out")
    change, message = WRONG[what]
    change(tmp_path / "out")
    with pytest.raises(InputError, match=message):
        list(verify(str(tmp_path / "out")))
