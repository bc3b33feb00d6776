"""`thresher.dedup` from Python: what comes out is of the kind, the schema and the order that came
in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

import thresher
from tests.jobs import runs
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, LimitError, ThresherError
from thresher_jobs import cli

pytestmark = pytest.mark.slow

COPY = " ".join(f"word{i}" for i in range(60))
NEAR = f"{COPY} more"
TEXTS = [COPY, "one line", NEAR, "another line", "one line", "last"]
SPLIT = {"split": {"test": 2, "threshold": 0.99}}
TAGS = ["a", "b", "a", None, "b", "c"]
NESTED: list[Any] = [
    {"turns": [{"role": "user"}]},
    None,
    {"turns": []},
    {"turns": None},
    None,
    None,
]


def table(kind: pa.DataType | None = None) -> pa.Table:
    return pa.table(
        {"text": pa.array(TEXTS, kind or pa.string()), "row": range(6), "tag": TAGS, "deep": NESTED}
    )


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give scratch folders a place of their own, to see what is left there."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))


@pytest.fixture(scope="module")
def result() -> thresher.JobResult:
    """What becomes of the table above when the last of its copies are kept."""
    return thresher.dedup(table(), keep="best:row")


def test_a_table_loses_its_copies_and_keeps_rows_columns_and_order(
    result: thresher.JobResult,
) -> None:
    assert result.kept.column("row").to_pylist() == [2, 3, 4, 5]
    assert result.kept.schema == table().schema
    assert result.kept.equals(table().take([2, 3, 4, 5]))


def test_removed_rows_say_why_and_for_whom(result: thresher.JobResult) -> None:
    removed = result.removed
    assert removed.select(table().column_names).equals(table().take([0, 1]))
    assert removed.column("_row_id").to_pylist() == ["table.parquet:0", "table.parquet:1"]
    assert removed.column("_matched_id").to_pylist() == ["table.parquet:2", "table.parquet:4"]
    assert removed.column("_reason").to_pylist() == ["near_copy", "exact_copy"]
    assert removed.column("_score").to_pylist() == [56 / 57, 1.0]


def test_the_report_and_the_page_come_along(result: thresher.JobResult) -> None:
    assert result.report["rows_in"] == 6
    assert result.report["rows_kept"] == result.kept.num_rows == 4
    assert result.report["rows_removed"] == result.removed.num_rows == 2
    assert result.report["rows_quarantined"] == result.quarantined.num_rows == 0
    assert result.html.lstrip().lower().startswith("<!doctype html")
    assert "<th>removed</th><td>2</td>" in result._repr_html_()


def test_the_users_own_ids_name_the_rows() -> None:
    removed = thresher.dedup(table(), keep="best:row", id_column="row").removed
    assert removed.column("_row_id").to_pylist() == ["0", "1"]
    assert removed.column("_matched_id").to_pylist() == ["2", "4"]


SCHEMAS = {
    "large strings": pa.large_string(),
    "dictionaries": pa.dictionary(pa.int8(), pa.string()),
    "views": pa.string_view(),
    "an extension": pa.opaque(pa.string(), "prose", "us"),
}


@pytest.mark.parametrize("kind", SCHEMAS.values(), ids=SCHEMAS)
def test_columns_keep_their_types(kind: pa.DataType) -> None:
    given = table().append_column("again", pa.array(TEXTS, pa.string()).cast(kind))
    if not isinstance(kind, pa.BaseExtensionType):
        given = given.set_column(0, "text", given.column("again"))
    result = thresher.dedup(given, keep="best:row")
    assert result.kept.schema == given.schema
    assert result.kept.to_pylist() == table_rows(given, [2, 3, 4, 5])
    assert result.removed.select(given.column_names).schema == given.schema


def table_rows(given: pa.Table, places: list[int]) -> list[dict[str, Any]]:
    rows = given.to_pylist()
    return [rows[place] for place in places]


def test_odd_types_metadata_and_required_fields_survive() -> None:
    schema = pa.schema(
        [
            pa.field("text", pa.string(), nullable=False, metadata={"about": "the text"}),
            pa.field("when", pa.timestamp("ns", "Europe/Berlin")),
            pa.field("pairs", pa.map_(pa.string(), pa.int32())),
            pa.field("point", pa.list_(pa.float16(), 2)),
            pa.field("length", pa.duration("ms")),
            pa.field("nothing", pa.null()),
        ],
        metadata={"owner": "us"},
    )
    row = {"when": 1, "pairs": [("a", 1)], "point": [1, 2], "length": 5, "nothing": None}
    given = pa.Table.from_pylist([{"text": t, **row} for t in ("x", "x", "y")], schema)
    result = thresher.dedup(given)
    assert result.kept.schema.equals(schema, check_metadata=True)
    assert result.kept.equals(given.slice(1))


def test_chunks_and_slices_are_rows_like_any_other() -> None:
    whole = pa.concat_tables([table(), table()])
    assert whole.column("text").num_chunks == 2
    assert thresher.dedup(whole).kept.num_rows == 4
    assert thresher.dedup(table().slice(1, 3)).kept.equals(table().slice(1, 3))


def test_an_empty_table_stays_empty() -> None:
    result = thresher.dedup(table()[:0])
    assert result.kept.num_rows == result.removed.num_rows == 0
    assert result.kept.schema == table().schema
    assert result.report["rows_in"] == 0


def test_rows_without_a_text_are_set_aside_or_kept_as_told() -> None:
    given = pa.table({"text": pa.array([None, "a", "b", None, "a"], pa.string())})
    result = thresher.dedup(given)
    assert result.kept.to_pydict() == {"text": ["a", "b"]}
    assert result.quarantined.num_rows == 2
    kept = thresher.dedup(given, null_text="keep").kept
    assert kept.to_pydict() == {"text": [None, "a", "b", None]}


def test_a_table_without_any_text_is_refused_unless_nulls_are_kept() -> None:
    given = pa.table({"text": pa.nulls(3, pa.string())})
    with pytest.raises(LimitError, match="3 of 3 rows"):
        thresher.dedup(given)
    assert thresher.dedup(given, null_text="keep").kept.equals(given)


def test_several_columns_are_compared_when_they_are_listed() -> None:
    given = pa.table({"ask": ["a", "a", "a"], "answer": ["x", "y", "x"]})
    kept = thresher.dedup(given, columns=["ask", "answer"]).kept
    assert sorted(kept.column("answer").to_pylist()) == ["x", "y"]


@pytest.mark.parametrize("as_list", [False, True])
def test_paths_give_tables(as_list: bool, tmp_path: Path) -> None:
    first = runs.parquet(tmp_path / "a.parquet", table())
    second = runs.jsonl(tmp_path / "b.jsonl", [{"text": "new"}, {"text": "last"}])
    if as_list:
        result = thresher.dedup([first.parent / "a.parquet", str(second)], union_columns=True)
        assert result.kept.num_rows == 5
        assert result.removed.column("_row_id").to_pylist()[-1].endswith("b.jsonl:1")
    else:
        result = thresher.dedup(first)
        assert result.kept.num_rows == 4
    assert isinstance(result.kept, pa.Table)


def test_a_named_folder_holds_the_whole_result(tmp_path: Path, result: thresher.JobResult) -> None:
    out = tmp_path / "out"
    found = thresher.dedup(table(), out=out, keep="best:row")
    assert json.loads((out / "manifest.json").read_bytes())["job"] == "dedup"
    assert json.loads((out / "report.json").read_bytes()) == found.report
    assert runs.rows_of(out, "data") == found.kept.to_pylist() == result.kept.to_pylist()
    assert len(runs.rows_of(out, "ledger")) == 6
    assert os.listdir(tmp_path / "scratch") == []


def test_files_given_again_with_their_folder_are_not_done_again(tmp_path: Path) -> None:
    path = runs.parquet(tmp_path / "a.parquet", table())
    first = thresher.dedup(path, out=tmp_path / "out")
    tree = runs.tree(tmp_path / "out")
    assert thresher.dedup(path, out=tmp_path / "out").kept == first.kept
    assert runs.tree(tmp_path / "out") == tree


def test_a_folder_of_other_rows_is_refused(tmp_path: Path) -> None:
    thresher.dedup(table(), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="inputs differ"):
        thresher.dedup(table()[:3], out=tmp_path / "out")


@pytest.mark.parametrize(
    "data", [5, None, b"text", [], [1, "a"], {"text": ["a"]}, table().to_batches()[0]]
)
def test_data_of_another_type_is_refused_with_what_is_taken(data: Any) -> None:
    with pytest.raises(ConfigError, match=r"cannot read data of type .*give a pyarrow\.Table"):
        thresher.dedup(data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"treshold": 0.8}, "unknown setting 'treshold' .*did you mean 'threshold'"),
        ({"threshold": 8}, "threshold: .*less than or equal to 1"),
        ({"workers": -1}, "workers: .*greater than or equal to 0"),
        ({"keep": "best"}, "expected first, longest, best:COLUMN"),
        ({"columns": 5}, "columns: .*tuple"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        thresher.dedup(table(), **settings)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (table(), {"text_column": "txt"}, "did you mean 'text'"),
        (pa.table({}), {}, "no column 'text'"),
        (pa.table({"text": ["a"], "_row_id": [1]}), {}, "'_row_id' has a name"),
        (pa.Table.from_arrays([["a"], ["b"]], ["text", "text"]), {}, "'text' occurs twice"),
        ("/nowhere/at/all.parquet", {}, "does not exist"),
    ],
)
def test_unreadable_data_is_an_input_error(
    given: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        thresher.dedup(given, **settings)


def test_a_failure_leaves_no_scratch_folder(tmp_path: Path) -> None:
    with pytest.raises(ThresherError):
        thresher.dedup(table(), text_column="absent")
    assert os.listdir(tmp_path / "scratch") == []


@pytest.fixture(scope="module")
def dataset() -> Any:
    """A `datasets.Dataset` with a class label and nested columns."""
    datasets = pytest.importorskip("datasets")
    value = datasets.Value
    features = datasets.Features(
        {
            "text": value("string"),
            "row": value("int32"),
            "label": datasets.ClassLabel(names=["bad", "good"]),
            "turns": [{"role": value("string")}],
            "deep": {"scores": datasets.List(value("float32"))},
        }
    )
    rows = {
        "text": TEXTS,
        "row": list(range(6)),
        "label": [0, 1, 1, 0, 1, 0],
        "turns": [[{"role": "user"}], [], [], [{"role": "a"}, {"role": "b"}], [], []],
        "deep": [{"scores": [0.5, i]} for i in range(6)],
    }
    return datasets.Dataset.from_dict(rows, features=features, split="train")


VIEWS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda d: d,
    "selected": lambda d: d.select([5, 3, 1, 4, 0]),
    "filtered": lambda d: d.filter(lambda label: label == 1, input_columns="label"),
    "shuffled": lambda d: d.shuffle(seed=1),
    "none": lambda d: d.select([]),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_dataset_comes_back_as_one_with_its_features(view: str, dataset: Any) -> None:
    given = VIEWS[view](dataset)
    kept = thresher.dedup(given, keep="best:row").kept
    last: dict[str, int] = {}
    for text, row in zip(given["text"], given["row"], strict=True):
        last[text.removesuffix(" more")] = max(row, last.get(text.removesuffix(" more"), 0))
    wanted = [r for r in given if r["row"] == last[r["text"].removesuffix(" more")]]
    assert type(kept) is type(given)
    assert kept.features == given.features
    assert kept.split == given.split
    assert list(kept) == wanted


def test_a_datasets_output_format_hides_no_column(dataset: Any) -> None:
    kept = thresher.dedup(dataset.with_format("numpy", columns=["label"])).kept
    assert kept.column_names == dataset.column_names


def test_a_class_label_still_knows_its_names(dataset: Any) -> None:
    kept = thresher.dedup(dataset, keep="best:row").kept
    assert kept.features["label"].int2str(kept["label"][:]) == ["good", "bad", "good", "bad"]


def test_dictionaries_and_streams_of_datasets_are_refused(dataset: Any) -> None:
    datasets = pytest.importorskip("datasets")
    for data in (datasets.DatasetDict(train=dataset), dataset.to_iterable_dataset()):
        with pytest.raises(ConfigError, match="cannot read data of type"):
            thresher.dedup(data)


def test_a_table_for_a_cluster_needs_a_folder_that_all_nodes_share() -> None:
    table = pa.table({"text": ["a", "b"]})
    profile = EngineOptions(engine="ray")
    with pytest.raises(ConfigError, match="engine ray needs `out`"):
        thresher.dedup(table, cluster=profile)


def test_rows_that_another_call_has_staged_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.rows").mkdir()
    kept = tmp_path / "out.rows" / "mine.txt"
    kept.write_text("mine")
    with pytest.raises(ConfigError, match="rows of another call lie here"):
        thresher.dedup(
            pa.table({"text": ["a"]}), out=tmp_path / "out", cluster=EngineOptions(engine="ray")
        )
    assert kept.read_text() == "mine"


def test_a_profile_says_where_a_call_runs(tmp_path: Path) -> None:
    profile = tmp_path / "two.yaml"
    profile.write_text("engine: local\nworkers: 2\n")
    found = thresher.dedup(pa.table({"text": ["a", "a"]}), cluster=profile)
    assert found.report["plan"]["workers"] == 2


def test_rows_of_a_table_are_scored_and_converted() -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Since."}]
    empty = [turns[0], {"role": "assistant", "content": ""}]
    table = pa.table({"messages": [turns, empty], "id": pa.array([1, 2], pa.int32())})
    scored = thresher.score(table, profile="sft")
    assert scored.kept.schema == table.schema
    assert scored.kept.column("id").to_pylist() == [1]
    assert scored.removed.column("_reason").to_pylist() == ["empty_turn (empty_turns 1)"]
    converted = thresher.convert(scored.kept, to="sharegpt")
    assert converted.kept.column("conversations").to_pylist()[0][1]["value"] == "Since."


@pytest.mark.parametrize("how", ["path", "mapping"])
def test_a_recipe_runs_as_the_command_does(tmp_path: Path, how: str) -> None:
    chats = [{"instruction": f"What is {n % 9}?", "output": f"It is {n % 9}"} for n in range(20)]
    prompts = [{"prompt": f"Which {n}?", "response": f"The {n}th"} for n in range(5)]
    runs.jsonl(tmp_path / "a.jsonl", chats)
    runs.jsonl(tmp_path / "b.jsonl", prompts)
    said: dict[str, Any] = {
        "sources": [{"path": str(tmp_path / name)} for name in ("a.jsonl", "b.jsonl")],
        "steps": ["dedup", SPLIT, {"convert": {"to": "messages"}}],
    }
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(said))
    made = thresher.run_recipe(said if how == "mapping" else path, out=tmp_path / "out", workers=1)
    assert {name: rows.num_rows for name, rows in made.kept.items()} == {"train": 12, "test": 2}
    assert made.removed.num_rows == 11 and made.report["rows_in"] == 25
    assert cli.run(["run", str(path), "--out", str(tmp_path / "same")]) == 0
    assert runs.tree(tmp_path / "out") == runs.tree(tmp_path / "same")
    del said["steps"][1]
    alone = thresher.run_recipe(said)
    assert alone.kept.column_names == ["messages"] and alone.kept.num_rows == 14


def test_a_mapping_that_is_no_recipe_is_refused_by_what_is_wrong_in_it() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sources'"):
        thresher.run_recipe({"source": ["x"], "steps": ["dedup"]})


def test_a_notebook_is_offered_what_can_be_called() -> None:
    offered = subprocess.run(
        [sys.executable, "-c", "import thresher; print(*dir(thresher))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(thresher.__all__) <= set(offered)
    assert {"dedup", "convert", "score", "mix", "split", "run_recipe"} <= set(offered)
    assert all(getattr(thresher, name) is not None for name in thresher.__all__)
