"""The job as a whole: files in, files out, nothing lost on the way."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import recipes
from tests.jobs.converts import CHAT, SHARE, facts, run
from tests.jobs.runs import Row, jsonl, parquet, rows_of, status, tree
from thresher.engines.local import LocalEngine
from thresher.errors import ChangedInputError, ConfigError, InputError, LimitError
from thresher.formats.catalogue import FORMATS
from thresher.formats.exports import find_export
from thresher.formats.names import TRAINERS
from thresher.planning import make_plan
from thresher.result import open_result
from thresher.stage import MapStage, Progress, Task
from thresher.steps.surveying import survey
from thresher.store import Store

ALPACA = {"instruction": "Say hi", "input": "", "output": "Hello"}
BALANCE = ("rows_in", "rows_added", "rows_kept", "rows_removed", "rows_quarantined")


def balance(report: dict[str, object]) -> tuple[object, ...]:
    """Return rows in, added, kept, removed, quarantined."""
    return tuple(report[key] for key in BALANCE)


def test_a_folder_of_several_formats_becomes_one(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", [ALPACA] * 3)
    jsonl(tmp_path / "in" / "b.jsonl", [{"conversations": SHARE, "tools": "[]"}])
    parquet(tmp_path / "in" / "c.parquet", [{"messages": CHAT, "source": "x"}])
    report = run(tmp_path / "in", tmp_path / "out", to="trl-sft")
    assert balance(report) == (5, 0, 5, 0, 0)
    found = facts(report)["detected"]
    assert [found[n]["formats"] for n in ("a.jsonl", "b.jsonl", "c.parquet")] == [
        ["alpaca"],
        ["sharegpt"],
        ["messages"],
    ]
    rows = rows_of(tmp_path / "out", "data")
    assert [[m["role"] for m in row["messages"]] for row in rows] == [["user", "assistant"]] * 5
    assert [row["tools"] for row in rows] == [None, None, None, "[]", None]
    assert facts(report)["losses"] == {"extra column 'source'": 1}
    assert status(tmp_path / "out")["exit_code"] == 0
    assert (tmp_path / "out" / "trl_example.py").exists()


def test_every_row_is_in_the_ledger_and_in_its_place(tmp_path: Path) -> None:
    good = {"prompt": "a", "chosen": "b", "rejected": "c"}
    rows: list[Row | bytes] = [good, {**good, "chosen": None}, {**good, "prompt": "z"}]
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", to="kto")
    assert balance(report) == (3, 2, 4, 0, 1)
    lines = rows_of(tmp_path / "out", "ledger")
    assert [(x["_row_id"], x["verdict"], x["reason"], x["matched_id"]) for x in lines] == [
        ("in.jsonl:0", "kept", None, None),
        ("in.jsonl:0#2", "kept", "added", "in.jsonl:0"),
        ("in.jsonl:1", "quarantined", None, None),
        ("in.jsonl:2", "kept", None, None),
        ("in.jsonl:2#2", "kept", "added", "in.jsonl:2"),
    ]
    (refused,) = rows_of(tmp_path / "out", "quarantine")
    assert refused["error"] == "column 'chosen' is null"
    assert json.loads(refused["raw"]) == rows[1]
    result = open_result(str(tmp_path / "out"))
    found = list(result.find({"in.jsonl:2#2"}))
    assert result.rows(found)["in.jsonl:2#2"] == {"prompt": "z", "completion": "c", "label": False}


def test_answers_judged_bad_are_removed_with_their_reason(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "completion": "b", "label": label} for label in (True, False)]
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", to="messages")
    assert balance(report) == (2, 0, 1, 1, 0)
    (gone,) = rows_of(tmp_path / "out", "removed")
    assert (gone["_removed_by"], gone["_reason"]) == ("convert", "undesirable")
    assert json.loads(gone["row"]) == rows[1]


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_workers_or_on_resuming(tmp_path: Path) -> None:
    rows = [{**ALPACA, "output": f"answer {i} " * 40} for i in range(1500)]
    jsonl(tmp_path / "in" / "a.jsonl", rows)
    jsonl(tmp_path / "in" / "b.jsonl", [{"conversations": SHARE}] * 500)
    run(tmp_path / "in", tmp_path / "one", to="sharegpt", split_bytes=200_000)
    four = LocalEngine(4)
    report = run(
        tmp_path / "in", tmp_path / "four", to="sharegpt", split_bytes=200_000, engine=four
    )
    assert report["plan"]["tasks"] > 2
    assert tree(tmp_path / "one") == tree(tmp_path / "four")
    assert run(tmp_path / "in", tmp_path / "one", to="sharegpt", split_bytes=200_000)["rows_in"]


def test_json_whose_columns_hold_several_types_is_read_record_by_record(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Hi"}]
    function = {"name": "f", "arguments": {"a": 1, "b": None}}
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": function}]}
    done = [{"role": "tool", "content": "x", "tool_call_id": "1"}, CHAT[1]]
    rows: list[Any] = [
        {"messages": CHAT, "tools": [{"name": "f", "parameters": {"x": {"type": "string"}}}]},
        {"messages": [{"role": "user", "content": parts}, CHAT[1]], "tools": [{"name": "g"}]},
        {"messages": [CHAT[0], call, *done]},
        {"messages": [CHAT[0], {**CHAT[1], "content": {"odd": 1}}]},
        {"messages": "oops"},
        b'{"messages": [1, "a"]}',
        b"no json",
    ]
    jsonl(tmp_path / "in.jsonl", rows)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", to="messages", max_quarantined_fraction=1)
    assert balance(report) == (7, 0, 4, 0, 3)
    made = rows_of(tmp_path / "out", "data")
    assert [json.loads(row["tools"]) if row["tools"] else None for row in made] == [
        rows[0]["tools"],
        [{"name": "g"}],
        None,
        None,
    ]
    assert made[1]["messages"][0]["content"] == "Hi"
    called = made[2]["messages"][1]["tool_calls"][0]
    assert called["function"] == {"name": "f", "arguments": '{"a": 1, "b": null}'}
    assert [x["row"] for x in rows_of(tmp_path / "out", "quarantine")] == [4, 5, 6]


def test_labels_of_several_types_are_each_judged(tmp_path: Path) -> None:
    values = [True, "false", 0.7, "maybe", None, 1]
    jsonl(tmp_path / "in.jsonl", [{"prompt": "a", "completion": "b", "label": v} for v in values])
    report = run(tmp_path / "in.jsonl", tmp_path / "out", to="trl-kto", min_confidence=0.4)
    assert balance(report) == (6, 0, 3, 0, 3)
    assert [row["label"] for row in rows_of(tmp_path / "out", "data")] == [True, False, True]
    errors = [row["error"] for row in rows_of(tmp_path / "out", "quarantine")]
    assert errors == [
        "label 0.7 in 'label' is neither true nor false",
        "label maybe in 'label' is neither true nor false",
        "column 'label' is null",
    ]


def test_extra_columns_stay_in_bare_formats_and_agree_over_files(tmp_path: Path) -> None:
    parquet(tmp_path / "in" / "a.parquet", [{**ALPACA, "id": 1, "deep": {"x": 1}}])
    parquet(tmp_path / "in" / "b.parquet", [{"messages": CHAT, "id": "two"}])
    report = run(tmp_path / "in", tmp_path / "out", to="messages")
    assert [(r["id"], r["deep"]) for r in rows_of(tmp_path / "out", "data")] == [
        ("1", {"x": 1}),
        ('"two"', None),
    ]
    assert not facts(report)["losses"]
    dropped = run(tmp_path / "in", tmp_path / "less", to="messages", extra_columns="drop")
    assert facts(dropped)["losses"] == {"extra column 'id'": 2, "extra column 'deep'": 1}


def test_losses_of_text_come_before_those_of_columns(tmp_path: Path) -> None:
    turns = [{**CHAT[0], "weight": 0}, {**CHAT[1], "reasoning_content": "hm"}]
    rows: list[Row] = [{"messages": turns, "id": n, "context": None} for n in range(3)]
    rows[2]["context"] = "Sums"
    jsonl(tmp_path / "in.jsonl", [*rows, {"messages": CHAT, "id": 3}])
    report = run(tmp_path / "in.jsonl", tmp_path / "out", to="axolotl-alpaca", format="messages")
    losses = {
        "reasoning": 3,
        "extra column 'context'": 1,
        "per-message weights": 3,
        "extra column 'id'": 4,
    }
    assert [*facts(report)["losses"].items()] == [*losses.items()]
    source = {"path": str(tmp_path / "in.jsonl"), "format": "messages"}
    recipe = recipes.write(tmp_path / "r.yaml", [source], [{"convert": {"to": "axolotl-alpaca"}}])
    again = recipes.run(recipe, tmp_path / "run")
    assert [*facts(again)["losses"].items()] == [*losses.items()]


def test_fields_that_no_row_fills_are_not_written(tmp_path: Path) -> None:
    kind = pa.list_(
        pa.struct([(n, pa.string()) for n in ("role", "content", "name", "tool_call_id")])
    )
    table = pa.table({"messages": pa.array([CHAT], kind), "tools": pa.nulls(1, pa.string())})
    parquet(tmp_path / "in.parquet", table)
    run(tmp_path / "in.parquet", tmp_path / "out", to="messages")
    schema = pq.read_schema(tmp_path / "out" / "data" / "part-00000.parquet")
    assert schema.names == ["messages"]
    assert [f.name for f in schema.field("messages").type.value_type] == ["role", "content"]


def test_an_uncertain_format_is_an_error_that_names_the_candidates(tmp_path: Path) -> None:
    row = {"instruction": "a", "input": "", "output": "b", "response": "c"}
    jsonl(tmp_path / "in.jsonl", [row])
    with pytest.raises(ConfigError, match=r"alpaca or alpaca-response .*confidence 0\.50"):
        run(tmp_path / "in.jsonl", tmp_path / "out", to="messages")
    run(tmp_path / "in.jsonl", tmp_path / "out", to="messages", format="alpaca-response")
    assert rows_of(tmp_path / "out", "data")[0]["messages"][1]["content"] == "c"


def test_an_unknown_format_is_bad_input(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [{"premise": "a"}])
    with pytest.raises(InputError, match="no format has these columns: premise"):
        run(tmp_path / "in.jsonl", tmp_path / "out", to="messages")
    jsonl(tmp_path / "none.jsonl", [{"instruction": "a", "output": None}, {"output": "b"}])
    with pytest.raises(InputError, match=r"columns of alpaca.*, but no row can be read"):
        run(tmp_path / "none.jsonl", tmp_path / "none", to="messages")
    with pytest.raises(InputError, match="no row is of the format alpaca"):
        run(tmp_path / "in.jsonl", tmp_path / "out", to="messages", format="alpaca")


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"to": "kto"}, "a conversation holds nothing that a judged answer could be made of"),
        ({"to": "text"}, "becomes text through a chat template"),
        ({"to": "text", "template": "nowhere.jinja"}, "cannot be read"),
    ],
)
def test_what_cannot_be_made_is_refused_before_a_row_is_written(
    tmp_path: Path, params: dict[str, Any], error: str
) -> None:
    jsonl(tmp_path / "in.jsonl", [ALPACA])
    with pytest.raises(ConfigError, match=error):
        run(tmp_path / "in.jsonl", tmp_path / "out", **params)
    assert not (tmp_path / "out" / "data").exists()


def test_an_evil_template_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "evil.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(ConfigError, match="refused: it tries to leave its sandbox"):
        run("nowhere", tmp_path / "out", to="text", template=str(tmp_path / "evil.jinja"))


def test_strict_refuses_loss_and_lets_a_change_of_form_pass(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [{**ALPACA, "input": "x", "system": "s"}])
    with pytest.raises(LimitError, match="cannot hold all that there is: system prompt in 1 rows"):
        run(tmp_path / "a.jsonl", tmp_path / "out", to="prompt-completion", strict=True)
    assert not (tmp_path / "out" / "data").exists()
    report = run(tmp_path / "a.jsonl", tmp_path / "out", to="messages", strict=True)
    assert facts(report)["losses"] == {"boundary of instruction and input": 1}


def test_too_many_refused_rows_stop_the_job_and_say_why(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [{"messages": CHAT[:1]}] * 3 + [{"messages": CHAT}])
    with pytest.raises(LimitError, match=r"3 of 4 rows .* the last turn is not the assistant's"):
        run(tmp_path / "in.jsonl", tmp_path / "out", to="sharegpt")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_unreadable_files_are_left_out_on_request(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", [ALPACA])
    (tmp_path / "in" / "b.json").write_text('[{"instruction": "a"')
    with pytest.raises(InputError):
        run(tmp_path / "in", tmp_path / "out", to="messages")
    report = run(tmp_path / "in", tmp_path / "less", to="messages", skip_unreadable=True)
    assert [f["path"].endswith("b.json") for f in report["unreadable_files"]] == [True]
    assert report["rows_kept"] == 1


def test_a_file_that_changes_under_the_survey_is_never_left_out(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", [ALPACA])
    jsonl(tmp_path / "in" / "b.jsonl", [ALPACA] * 50)
    plan = make_plan([str(tmp_path / "in")], split_bytes=100, skip_unreadable=True)
    jsonl(tmp_path / "in" / "b.jsonl", [ALPACA] * 49)
    store = Store(str(tmp_path / "out"))
    with pytest.raises(ChangedInputError):
        survey(None, {}, 1 << 20, True, store, "stage", plan.tasks[-1])


def test_templates_write_text_and_the_spans_of_the_loss(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [ALPACA])
    run(
        tmp_path / "in.jsonl", tmp_path / "out", to="trl-sft-text", template="chatml",
        loss_spans=True,
    )  # fmt: skip
    (row,) = rows_of(tmp_path / "out", "data")
    (span,) = row["loss_spans"]
    assert row["text"][span["start"] : span["end"]] == "Hello<|im_end|>"


@pytest.mark.slow
def test_datasets_loads_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    jsonl(tmp_path / "in.jsonl", [{"conversations": SHARE, "tools": "[]"}] * 3)
    run(tmp_path / "in.jsonl", tmp_path / "out", to="trl-sft")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"][0] == {"messages": CHAT, "tools": "[]"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "sharegpt" in page


def test_tasks_travel_to_other_processes(tmp_path: Path) -> None:
    class Pickling(LocalEngine):
        """Sends every stage through pickle, as cluster engines do."""

        def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
            super().run_map(store, pickle.loads(pickle.dumps(stage)), tasks, done)

    jsonl(tmp_path / "in.jsonl", [ALPACA] * 9)
    params: dict[str, Any] = {"to": "text", "template": "llama3"}
    run(tmp_path / "in.jsonl", tmp_path / "out", engine=Pickling(1), **params)
    run(tmp_path / "in.jsonl", tmp_path / "plain", **params)
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")


@pytest.mark.parametrize("name", ["in.csv", "in.json", "in.jsonl.gz"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "in.csv":
        path.write_text("prompt,completion,label\na,b,true\nc,d,false\n")
    else:
        rows = [{"prompt": p, "completion": c, "label": x == "1"} for p, c, x in ("ab1", "cd0")]
        path.write_text(json.dumps(rows)) if name == "in.json" else jsonl(path, rows)
    run(path, tmp_path / "out", to="trl-kto")
    answers = [(r["prompt"][0]["content"], r["label"]) for r in rows_of(tmp_path / "out", "data")]
    assert answers == [("a", True), ("c", False)]


def test_roles_are_coded_and_texts_are_not(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [ALPACA] * 9)
    run(tmp_path / "in.jsonl", tmp_path / "out", to="messages")
    group = pq.ParquetFile(tmp_path / "out" / "data" / "part-00000.parquet").metadata.row_group(0)
    coded = {group.column(i).path_in_schema: group.column(i).has_dictionary_page for i in range(2)}
    assert coded == {"messages.list.element.role": True, "messages.list.element.content": False}


def test_columns_of_other_names_are_read_by_the_names_given(tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [{"problem": "1+1", "solution": "2", "tags": [["a", 1]]}])
    names = {"problem": "instruction", "solution": "output"}
    report = run(tmp_path / "in.jsonl", tmp_path / "out", to="messages", rename=names)
    assert [m["content"] for m in rows_of(tmp_path / "out", "data")[0]["messages"]] == ["1+1", "2"]
    assert rows_of(tmp_path / "out", "data")[0]["tags"] == '[["a", 1]]'
    assert facts(report)["detected"]["in.jsonl"]["formats"] == ["alpaca"]
    with pytest.raises(InputError, match="there is a column 'tags' already"):
        run(tmp_path / "in.jsonl", tmp_path / "twice", to="messages", rename={"problem": "tags"})
    with pytest.raises(
        InputError, match=r"no input has a column 'problm' \(there are .*instruction"
    ):
        run(tmp_path / "in.jsonl", tmp_path / "no", to="messages", rename={**names, "problm": "x"})


PREFERRED = {"prompt": "a", "chosen": "b", "rejected": "c"}
SOURCES: dict[str, dict[str, Any]] = {
    "judged steps": {"prompt": "a", "completions": ["b"], "labels": [True]},
    "text": {"text": "a"},
    "conversation": ALPACA,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINERS)
def test_datasets_loads_every_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    kind = FORMATS[find_export(name).format].kind
    jsonl(tmp_path / "in.jsonl", [SOURCES.get(kind, PREFERRED)] * 2)
    report = run(tmp_path / "in.jsonl", tmp_path / "out", to=name)
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "out" / "data" / "*.parquet"),
        cache_dir=str(tmp_path / "cache"),
    )["train"]
    assert loaded.num_rows == report["rows_kept"]
    assert loaded.column_names == facts(report)["columns"]
