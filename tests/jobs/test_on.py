"""`dedup --on` compares the prompt, the response or all of a row, whatever its format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.formats.batches import batch
from tests.jobs import runs
from tests.jobs.chats import OTHER, QUESTION, alpaca, checked, messages, preference, sharegpt
from tests.jobs.runs import Row, jsonl, parquet
from tests.jobs.sentences import sentence
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, InputError, LimitError
from thresher.formats.detection import detect, gather
from thresher.params import build
from thresher.steps.compared import Compared
from thresher_jobs.api import dedup as dedup_table
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_plan import describe

PARTS = ("prompt", "response", "conversation", "all")


MADE: dict[str, Callable[[str, str], Row]] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "messages": messages,
}


@pytest.mark.slow
@pytest.mark.parametrize("write", [jsonl, pytest.param(parquet, marks=pytest.mark.slow)])
@pytest.mark.parametrize("format", MADE)
def test_on__names_the_part_by_which_rows_are_judged(
    format: str, write: Any, tmp_path: Path
) -> None:
    made = MADE[format]
    rows = [
        made(QUESTION, sentence(1)),
        made(QUESTION, sentence(2)),
        made(OTHER, sentence(1)),
        made(OTHER, sentence(3)),
        made(OTHER, sentence(3)),
    ]
    file = write(tmp_path / ("in." + write.__name__), rows)
    removed = {}
    for on in PARTS:
        out = tmp_path / on
        report = runs.run(file, out, on=on)
        checked(out)
        removed[on] = report["rows_removed"]
        assert report["plan"]["compared"]["detected"][file.name]["formats"] == [format]
    assert removed == {"prompt": 3, "response": 2, "conversation": 1, "all": 1}


@pytest.mark.slow
def test_pairs_are_judged_as_pairs(tmp_path: Path) -> None:
    rows = [
        preference(QUESTION, sentence(1), sentence(2)),
        preference(QUESTION, sentence(1), sentence(3)),
        preference(QUESTION, sentence(1), sentence(2)),
    ]
    file = jsonl(tmp_path / "in.jsonl", rows)
    for on, left in (("conversation", 2), ("response", 2), ("prompt", 1)):
        assert runs.run(file, tmp_path / on, on=on)["rows_kept"] == left
        checked(tmp_path / on)


def test_tools_count_only_where_all_is_compared(tmp_path: Path) -> None:
    tools = ['[{"name": "ring", "parameters": {}}]', '[{"name": "weigh", "parameters": {}}]']
    rows = [{**sharegpt(QUESTION, "Barley."), "tools": text} for text in tools]
    file = jsonl(tmp_path / "in.jsonl", rows)
    assert runs.run(file, tmp_path / "a", on="conversation")["rows_kept"] == 1
    assert runs.run(file, tmp_path / "b", on="all", method="exact")["rows_kept"] == 2


@pytest.mark.slow
def test_one_conversation_in_several_formats_is_a_copy(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    jsonl(folder / "a.jsonl", [alpaca(QUESTION, sentence(1)), alpaca(OTHER, sentence(2))])
    parquet(folder / "b.parquet", [sharegpt(QUESTION, sentence(1)), sharegpt(OTHER, sentence(4))])
    jsonl(folder / "c.jsonl", [messages(OTHER, sentence(4)), messages(QUESTION, sentence(5))])
    with pytest.raises(InputError, match="--union-columns"):
        runs.run(folder, tmp_path / "refused", on="conversation")
    report = runs.run(folder, tmp_path / "out", on="conversation", union_columns=True)
    assert (report["rows_kept"], report["removed_by"]["exact_copy"]) == (4, 2)
    checked(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert {f["name"]: f["formats"] for f in manifest["inputs"]} == {
        "a.jsonl": ["alpaca"],
        "b.parquet": ["sharegpt"],
        "c.jsonl": ["messages"],
    }


def test_two_spellings_that_share_a_column_are_told_apart_by_file(tmp_path: Path) -> None:
    for name in ("text", "value"):
        turns = [("user", "Hi"), ("assistant", "Yo")]
        row = [{"role": r, "content": [{"type": "text", name: t}]} for r, t in turns]
        jsonl(tmp_path / "in" / f"{name}.jsonl", [{"messages": row}] * 2)
    out = tmp_path / "out"
    report = runs.run(tmp_path / "in", out, on="conversation", union_columns=True)
    detected = report["plan"]["compared"]["detected"].values()
    assert [found["formats"] for found in detected] == [["messages-parts"], ["llamafactory-v1"]]
    assert (report["rows_kept"], report["rows_quarantined"]) == (1, 0)
    checked(out)


def test_rows_of_two_formats_in_one_file_are_each_read_by_their_own(tmp_path: Path) -> None:
    rows = [alpaca(QUESTION, sentence(1)), sharegpt(QUESTION, sentence(1))] * 3
    out = tmp_path / "out"
    report = runs.run(jsonl(tmp_path / "in.jsonl", rows), out, on="conversation")
    assert (report["rows_kept"], report["rows_quarantined"]) == (1, 0)
    assert set(report["plan"]["compared"]["detected"]["in.jsonl"]["formats"]) == {
        "alpaca",
        "sharegpt",
    }
    checked(out)


@pytest.mark.parametrize("write", [jsonl, parquet])
def test_a_row_that_no_format_reads_is_quarantined_with_its_fault(
    write: Any, tmp_path: Path
) -> None:
    rows = [messages(QUESTION, sentence(n)) | {"id": f"r{n}"} for n in range(6)]
    rows[1]["messages"][1]["role"] = "parrot"
    rows[2]["messages"] = None
    file = write(tmp_path / ("in." + write.__name__), rows)
    runs.run(file, tmp_path / "out", on="response", id_column="id")
    found = runs.rows_of(tmp_path / "out", "quarantine")
    assert [(row["_row_id"], row["error"]) for row in found] == [
        ("r1", "a role is missing or unknown in 'messages'"),
        ("r2", "column 'messages' is null"),
    ]
    assert json.loads(found[0]["raw"]) == rows[1]
    assert json.loads(found[1]["raw"]) == {"id": "r2", "messages": None}
    checked(tmp_path / "out")
    with pytest.raises(LimitError, match="2 of 6 rows"):
        runs.run(file, tmp_path / "few", on="response", max_quarantined_fraction=0.3)


@pytest.mark.slow
def test_a_row_without_the_part_follows_null_text(tmp_path: Path) -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "ring"}}]}
    rows = [{"text": sentence(n)} for n in range(3)]
    file = jsonl(tmp_path / "in.jsonl", rows)
    report = runs.run(file, tmp_path / "a", on="prompt", max_quarantined_fraction=1)
    assert report["quarantine"][0]["reason"] == "the row has no prompt that is answered"
    assert report["rows_quarantined"] == 3
    report = runs.run(file, tmp_path / "b", on="prompt", null_text="keep")
    assert (report["rows_kept"], report["rows_removed"]) == (3, 0)
    checked(tmp_path / "b")
    assert runs.run(file, tmp_path / "c", on="all")["rows_kept"] == 3
    asked = {"role": "user", "content": "Ring."}
    file = jsonl(tmp_path / "calls.jsonl", [{"messages": [asked, calls]}] * 2)
    assert runs.run(file, tmp_path / "d", on="response")["rows_kept"] == 1


def test_broken_lines_and_ill_formed_rows_are_quarantined_as_ever(tmp_path: Path) -> None:
    lines: list[Row | bytes] = [alpaca(sentence(n), sentence(n + 50)) for n in range(6)]
    lines += [b'{"instruction": "cut', b'{"instruction": "caf\xe9", "input": "", "output": "x"}']
    out = tmp_path / "out"
    report = runs.run(jsonl(tmp_path / "in.jsonl", lines), out, on="prompt")
    assert (report["rows_kept"], report["rows_quarantined"]) == (6, 2)
    checked(out)
    torn = pa.array([b"fine", b"caf\xe9", b"good"]).view(pa.string())
    table = pa.table({"instruction": torn, "input": ["", "", ""], "output": ["a", "b", "c"]})
    note = table.append_column("note", pa.array([b"fine", b"ok", b"\xff"]).view(pa.string()))
    report = runs.run(
        parquet(tmp_path / "in.parquet", note), tmp_path / "p", on="prompt",
        max_quarantined_fraction=1,
    )  # fmt: skip
    assert (report["rows_kept"], report["rows_quarantined"]) == (1, 2)


@pytest.mark.slow
def test_arguments_compare_alike_whatever_types_and_keys_their_neighbours_have(
    tmp_path: Path,
) -> None:
    def calling(arguments: Row) -> Row:
        call = {"type": "function", "function": {"name": "weigh", "arguments": arguments}}
        asked = {"role": "user", "content": QUESTION}
        return {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": [call]}]}

    same = {"grams": 1, "pan": "left", "grain": "rye"}
    first = [calling(same), calling({"grams": 2})]
    second = [calling({"pan": "left"}), calling(dict(reversed(same.items()))), calling({"tare": 3})]
    third = [calling({"grams": 1.5}), calling(same)]
    for name, rows in (("a", first), ("b", second), ("c", third)):
        jsonl(tmp_path / "in" / f"{name}.jsonl", rows)
    out = tmp_path / "out"
    how: dict[str, Any] = {"on": "response", "union_columns": True, "split_bytes": 500}
    report = runs.run(tmp_path / "in", out, **how)
    assert report["plan"]["tasks"] >= 3
    assert runs.partners(out).keys() == {"b.jsonl:1", "c.jsonl:1"}
    checked(out)


SAMPLES = (
    batch(alpaca("Do", "done", system="Be brief."), alpaca(None, "x"), alpaca("Do", None)),
    batch(sharegpt("Hi", "Yo"), sharegpt("Hi"), {"conversations": None}),
    batch(messages("Hi", "Yo"), messages("Hi", None), {"messages": []}),
    batch(preference("Hi", "Yo", "No"), {"prompt": None, "chosen": "a", "rejected": "b"}),
    batch({"text": "alone"}, {"text": None}),
    batch({"prompt": "Hi", "completion": "Yo", "label": True}, {"prompt": "Hi", "label": None}),
)


@pytest.mark.parametrize("on", PARTS)
@pytest.mark.parametrize("rows", SAMPLES, ids=lambda rows: rows.schema.names[0])
def test_the_text_of_a_row_does_not_depend_on_its_neighbours(rows: pa.RecordBatch, on: Any) -> None:
    compared = Compared(on=on, formats={0: detect(gather(rows)).formats})
    together = compared.read(rows, 0, "in")
    wide = rows.append_column("history", pa.nulls(len(rows), pa.int64()))
    assert compared.texts(wide, 0, "in").equals(together.text)
    for place in range(len(rows)):
        alone = compared.read(rows.slice(place, 1), 0, "in")
        assert alone.text.equals(together.text.slice(place, 1))
        assert alone.faults.good[0] == together.faults.good[place]
        assert not (alone.text[0].is_valid and not alone.faults.good[0])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"on": "prompt", "text_column": "body"}, "exclude each other"),
        ({"on": "prompt", "columns": ("a", "b")}, "exclude each other"),
        ({"on": "answer"}, "setting on"),
        ({"format": "alpaca"}, "format needs `on`"),
        ({"on": "prompt", "format": "alpacca"}, "did you mean 'alpaca'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        build(DedupParams, settings)


def test_format__settles_what_detection_cannot(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "in.jsonl", [{"riddle": "a", "solution": "b"}])
    with pytest.raises(InputError, match=r"of no known format.*--format"):
        runs.run(file, tmp_path / "out", on="prompt")
    both = {"instruction": "Do it", "input": "", "output": "one", "response": "two"}
    file = jsonl(tmp_path / "both.jsonl", [both, both])
    with pytest.raises(ConfigError, match="not certain"):
        runs.run(file, tmp_path / "out2", on="prompt")
    report = runs.run(file, tmp_path / "out3", on="prompt", format="alpaca-response")
    assert report["rows_kept"] == 1
    checked(tmp_path / "out3")


def test_min_confidence__is_what_a_format_needs(tmp_path: Path) -> None:
    rows = [alpaca(sentence(n), "done" if n % 4 else None) for n in range(12)]
    file = jsonl(tmp_path / "in.jsonl", rows)
    assert runs.run(file, tmp_path / "a", on="prompt")["rows_quarantined"] == 3
    with pytest.raises(ConfigError, match=r"confidence 0\.75, wanted 0\.8"):
        runs.run(file, tmp_path / "b", on="prompt", min_confidence=0.8)


def test_a_damaged_file_is_left_out_on_request(tmp_path: Path) -> None:
    jsonl(tmp_path / "in" / "a.jsonl", [alpaca("Do", "done")] * 2)
    (tmp_path / "in" / "b.jsonl.gz").write_bytes(b"\x1f\x8b not really")
    with pytest.raises(InputError, match=r"b\.jsonl\.gz"):
        runs.run(tmp_path / "in", tmp_path / "out", on="prompt")
    report = runs.run(tmp_path / "in", tmp_path / "out2", on="prompt", skip_unreadable=True)
    assert [Path(f["path"]).name for f in report["unreadable_files"]] == ["b.jsonl.gz"]
    assert report["rows_kept"] == 1
    checked(tmp_path / "out2")


def test_the_plan_says_which_formats_the_first_rows_speak_for(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [alpaca("Do", "done")])
    parquet(tmp_path / "b.parquet", [{"riddle": "a"}])
    lines = list(
        describe([str(tmp_path)], DedupParams(on="all", union_columns=True), EngineOptions())
    )
    told = [line for line in lines if line.split()[0] in ("compared", "format", "WARNING")]
    assert told[0] == "compared    all text of each row"
    assert told[1].startswith("format      alpaca (confidence 1.00): ")
    assert told[2].startswith("WARNING ") and "no format has these columns: riddle" in told[2]


def test_a_table_is_judged_by_its_prompts(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([messages(QUESTION, sentence(n)) for n in range(4)])
    result = dedup_table(table, on="prompt")
    assert (len(result.kept), len(result.removed)) == (1, 3)
    assert result.kept.schema == table.schema


def test_rows_of_other_pictures_or_reasoning_are_no_exact_copies(tmp_path: Path) -> None:
    def seen(name: str) -> list[Row]:
        picture = {"type": "image_url", "image_url": {"url": name}}
        asked = [picture, {"type": "text", "text": "What is it?"}]
        said = [{"type": "text", "text": "A cat."}]
        return [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]

    answer = {"role": "assistant", "content": "A cat."}
    asked = {"role": "user", "content": "Why?"}
    thought = [{**answer, "reasoning_content": said} for said in ("It purrs.", "It has fur.")]
    jsonl(tmp_path / "pictures.jsonl", [{"messages": seen(name)} for name in ("a", "b", "b")])
    jsonl(tmp_path / "thoughts.jsonl", [{"messages": [asked, t]} for t in (*thought, thought[0])])
    for name in ("pictures", "thoughts"):
        file = tmp_path / f"{name}.jsonl"
        report = runs.run(file, tmp_path / name, on="conversation", method="exact")
        assert report["rows_kept"] == 2
