"""Descriptions of benchmarks: what they reach, what is guessed without, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.leaks.read_sets import count, lines, one
from thresher.errors import ConfigError, InputError
from thresher.leaks import known, paths
from thresher.leaks.benchmarks import Benchmark, Fields, parse_set
from thresher.leaks.guessing import guess_fields
from thresher_jobs.leak_items import read_benchmarks
from thresher_jobs.leak_named import describe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("benchmarks: [{name: a, path: x, kindd: mcq}]", "did you mean 'kind'?"),
        ("benchmarks: [{name: a, path: x, fields: {quesion: q}}]", "did you mean 'question'?"),
        ("benchmarks: [{name: a, path: x, kind: mqc}]", "kind"),
        ("benchmarks: [{name: a}]", "path"),
        ("benchmarks: [{path: x}]", "name"),
        ("benchmarks: [{name: a, path: []}]", "path"),
        ("benchmarks: [{name: a, path: x, where: split}]", "column == value"),
        ("benchmarks: [{name: a, path: x, strip: '('}]", "regular expression"),
        ("benchmarks: [{name: a, path: x, fields: {question: 'a[b]'}}]", "no column and no path"),
        ("benchmarks: [{name: a, path: x}, {name: a, path: y}]", "given twice"),
        ("benchmarks: []", "benchmarks"),
        ("benchmarks: {name: a, path: x}", "expected a list"),
        ("benchmark: []", "did you mean 'benchmarks'?"),
        ("benchmarks: [a]", "expected a mapping"),
        ("{}", "benchmarks"),
        ("- a", "expected a mapping"),
    ],
)
def test_a_description_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "benchmarks.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as refused:
        describe([str(path)])
    assert str(path) in str(refused.value)


def test_a_description_is_refused_by_the_name_of_its_benchmark() -> None:
    with pytest.raises(ConfigError, match="benchmark 'b': fields: unknown setting 'quesion'"):
        parse_set({"benchmarks": [{"name": "b", "path": "x", "fields": {"quesion": "q"}}]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("question: qestion", "no column 'qestion': did you mean 'question'?"),
        ("question: meta.txt", "'meta' has no 'txt': did you mean 'text'?"),
        ("question: question.text", "has no item|has no 'text'|no usable item"),
        ("question: 'n[0]'", "'n' is int64, which has no"),
    ],
)
def test_a_missing_field_is_an_error_that_names_file_column_and_the_nearest(
    tmp_path: Path, fields: str, message: str
) -> None:
    lines(
        tmp_path / "x.jsonl", [{"question": "Who goes there now?", "meta": {"text": "a"}, "n": 1}]
    )
    described = tmp_path / "b.yaml"
    described.write_text(f"benchmarks: [{{name: b, path: x.jsonl, fields: {{{fields}}}}}]")
    with pytest.raises((InputError, ConfigError), match=message) as refused:
        read_benchmarks([str(described)], count)
    assert "x.jsonl" in str(refused.value)
    assert "benchmark 'b'" in str(refused.value)


def test_a_benchmark_that_cannot_be_searched_for_is_an_error(tmp_path: Path) -> None:
    short = lines(tmp_path / "short.jsonl", [{"question": "Why?"}])
    described = tmp_path / "b.yaml"
    described.write_text("benchmarks: [{name: b, path: short.jsonl, fields: {question: question}}]")
    with pytest.raises(ConfigError, match=r"no usable item \(1 short\)"):
        read_benchmarks([str(described)], count)
    described.write_text(
        "benchmarks: [{name: b, path: short.jsonl, fields: {question: question},"
        " where: question == x}]"
    )
    with pytest.raises(ConfigError, match="leaves none of 1 rows"):
        read_benchmarks([str(described)], count)
    empty = tmp_path / "empty.parquet"
    pq.write_table(pa.table({"question": pa.array([], pa.string())}), empty)
    for spec in (f"b={short}", f"b={empty}", str(empty)):
        with pytest.raises((ConfigError, InputError)):
            read_benchmarks([spec], count)
    with pytest.raises(ConfigError, match="no benchmark is named"):
        read_benchmarks([], count)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"question": "How many legs has a spider?"}\n{"question": "How\n')
    with pytest.raises(InputError, match=re.escape("broken.parquet")):
        read_benchmarks([f"b={broken}"], count)
    with pytest.raises(InputError, match="row 1 cannot be read"):
        read_benchmarks([f"b={torn}"], count)
    with pytest.raises(InputError, match="does not exist"):
        read_benchmarks([f"b={tmp_path}/none.jsonl"], count)
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        read_benchmarks([f"{tmp_path}/none.yaml"], count)


def test_two_benchmarks_of_one_name_are_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", [{"question": "How many legs has a spider?"}])
    with pytest.raises(ConfigError, match="two benchmarks are called 'x'"):
        describe([f"x={path}", str(path)])


@pytest.mark.parametrize(
    ("row", "kind", "fields"),
    [
        (
            {"prompt": "def f(x{0}):", "canonical_solution": "pass", "test": "assert"},
            "code",
            {"question": ("prompt",), "solution": ("canonical_solution",), "tests": ("test",)},
        ),
        (
            {"passage": "A tale {0}", "query": "Who is it {0}?", "label": 1},
            "retrieval",
            {"question": ("query",), "passage": ("passage",)},
        ),
        (
            {"Question": "What is {0} and one?", "A": "1", "B": "2", "C": "3", "D": "4",
             "Answer": "A", "ID": "x{0}"},
            "mcq",
            {"question": ("Question",), "choices": ("A", "B", "C", "D"), "answer": ("Answer",),
             "id": ("ID",)},
        ),
        (
            {"instruction": "Sum up the text number {0}.", "input": "", "output": "It is long."},
            "generic",
            {"question": ("instruction", "input"), "answer": ("output",)},
        ),
        (
            {"category": "a b c d", "blurb": "A long and winding story number {0}."},
            "generic",
            {"question": ("blurb",)},
        ),
        (
            {"item": "Which? number {0} (A) red (B) blue", "my_problem": "x"},
            "mcq",
            {"question": ("item",)},
        ),
    ],
)  # fmt: skip
def test_fields_are_guessed_from_names_and_values(
    row: dict[str, Any], kind: str, fields: dict[str, tuple[str, ...]]
) -> None:
    rows = [
        {k: v.replace("{0}", str(n)) if isinstance(v, str) else v for k, v in row.items()}
        for n in range(8)
    ]
    made, reasons = guess_fields(pa.Table.from_pylist(rows).schema, rows, "some/rows.jsonl.gz")
    assert made.kind == kind
    assert made.fields == Fields(**fields)
    assert made.name == "rows"
    assert reasons[-1] == made.summary()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"n": 1}], "no column looks like the questions of a benchmark; columns: n"),
        ([{"label": "yes"}, {"label": "no"}], "no column looks like the questions"),
        ([{"question": None}], "no item can be searched for: question is empty"),
        ([{"question": "", "answer": "4"}], "no item can be searched for: question is empty"),
        ([{"question": "Which of these is it?"}] * 10, "or the same in most rows"),
    ],
)
def test_a_file_without_questions_is_refused(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        guess_fields(pa.Table.from_pylist(rows).schema, rows, "rows.jsonl")


def test_questions_that_few_rows_have_are_searched_for(tmp_path: Path) -> None:
    texts = ["How many legs has a spider?", None, "", None, "Which one is it, then?"]
    read = one(str(lines(tmp_path / "rows.jsonl", [{"question": text} for text in texts])))
    assert (read.counts["usable"], read.counts["empty"]) == (2, 3)


@pytest.mark.parametrize("spec", ["gsm9k.jsonl", "gsm9k=ours.jsonl", "msgs.jsonl", "same.jsonl"])
def test_a_name_that_is_nearly_a_known_one_is_pointed_out(spec: str, tmp_path: Path) -> None:
    name, _, file = spec.rpartition("=")
    path = lines(tmp_path / file, [{"question": "How many legs has a spider?"}])
    told = " ".join(one(f"{name}={path}" if name else str(path)).reasons)
    assert ("did you mean gsm8k?" in told) == ("gsm9k" in spec)
    assert "did you mean" not in told or "gsm9k" in spec


def test_the_bundled_descriptions_are_well_formed_and_no_two_share_a_name() -> None:
    catalogue = known.catalogue()
    owners: dict[str, str] = {}
    for name, entry in catalogue.items():
        for called in (name, *entry.aliases):
            assert owners.setdefault(re.sub(r"[\W_]", "", called.lower()), name) == name
    for name, entry in catalogue.items():
        ways = [way for field in Fields.model_fields for way in getattr(entry, field) or ()]
        assert entry.question and entry.about, name
        for path in (path for way in ways for path in way):
            assert paths.steps(path)
        described = Benchmark(name=name, path=("x",), strip=entry.strip)
        assert described.strip == entry.strip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GSM8K", "gsm8k"), ("gsm8k-train", "gsm8k"), ("ai2_arc", "arc"), ("ARC-Challenge", "arc"),
        ("mmlu_pro", "mmlu_pro"), ("MMLU", "mmlu"), ("hendrycks_test", "mmlu"),
        ("AIME_2025", "aime"), ("arena-hard", "arena_hard"), ("gsm8k_lookalike", None),
        ("test", None), ("", None),
    ],
)  # fmt: skip
def test_a_description_is_found_by_alias_case_and_split(name: str, expected: str | None) -> None:
    found = known.look_up(name)
    assert (found.name if found else None) == expected


def test_paths_reach_into_lists_objects_and_json_text() -> None:
    row = {"a.b": 1, "a": {"b": [{"c": "x"}, {"c": "y"}]}, "j": '{"k": [1, 2]}'}
    assert paths.find(row, "a.b") == 1
    assert paths.find(row, "a.b[1].c") == "y"
    assert paths.find(row, "a.b.c") == ["x", "y"]
    assert paths.find(row, "a.b[*].c") == ["x", "y"]
    assert paths.find(row, "a.b[7].c") is None
    assert paths.find(row, "j.k[-1]") == 2
    assert paths.find(row, "missing.k") is None
