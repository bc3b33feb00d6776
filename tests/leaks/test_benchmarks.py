"""Benchmarks: described, well known or guessed, and taken apart into what is searched for."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thresher.errors import ConfigError, InputError
from thresher.leaks import known, paths
from thresher.leaks.benchmarks import Benchmark, Fields, parse_set
from thresher.leaks.guessing import guess_fields
from thresher.leaks.items import FIELDS
from thresher.leaks.options import Options, read_options, right_option, split_inline
from thresher.leaks.sub_items import informative, read_items, sub_items
from thresher.leaks.values import final_answer
from thresher_jobs.leak_items import ReadBenchmark, describe, read_benchmarks

EVALS = Path(__file__).parents[2].parent / "shared" / "data" / "evals"
_WORD = re.compile(r"[^\W_]+")

# File: name that its bundled description is found by, kind, usable items, duplicates, items that
# have an answer, and a piece of a sub-item of the first item, by its field.
REAL: dict[str, tuple[str, str, int, int, int, str, str]] = {
    "TruthfulQA.csv": ("truthfulqa", "generic", 817, 0, 817, "question", "What happens to you if"),
    "addsub.jsonl": ("addsub", "math", 395, 0, 395, "question", "There are 7 crayons in"),
    "alpaca_eval_805.jsonl": ("alpaca_eval", "generic", 804, 0, 804, "question", "What are the"),
    "aqua_test.jsonl": ("aqua", "mcq", 254, 0, 254, "question_option", "tower?\n5(√3 + 1)"),
    "arc-challenge_test.jsonl": ("arc-c", "mcq", 1172, 0, 1172, "question", "An astronomer obser"),
    "arc-easy_test.jsonl": ("arc_easy", "mcq", 2376, 0, 2376, "option", "Sunlight is the source"),
    "bbh.jsonl": ("bbh", "generic", 7256, 5, 7255, "question", "not ( True ) and ( True ) is"),
    "cmmlu.jsonl.gz": ("cmmlu", "mcq", 11914, 3, 11914, "question_option", "肉质较好\n大腿"),
    "commonsenseqa_dev.jsonl": ("csqa", "mcq", 1221, 0, 1221, "question", "A revolving door is"),
    "commonsenseqa_train.jsonl": ("csqa-train", "mcq", 9741, 0, 9741, "question", "The sanctions"),
    "gsm8k_official_test.jsonl": ("gsm8k", "math", 1319, 0, 1319, "answer", "16 - 3 - 4 = 9 duck"),
    "humaneval.jsonl": ("HumanEval", "code", 164, 0, 164, "tests", "def check(candidate)"),
    "ifeval.jsonl": ("ifeval", "generic", 541, 0, 0, "question", "Write a 300+ word summary"),
    "math_test_3000.jsonl": ("MATH", "math", 3000, 0, 3000, "question", "Two chords, $AB$"),
    "math_train_3000.jsonl": ("math-train", "math", 3000, 0, 3000, "question", "Yann and Camille"),
    "mbpp.jsonl": ("mbpp", "code", 974, 0, 974, "solution", "def min_cost(cost, m, n):"),
    "mmlu_test.jsonl": ("mmlu", "mcq", 13937, 105, 13937, "question_option", "over Q.\n4"),
    "mt_bench.jsonl": ("MT-Bench", "generic", 80, 0, 38, "question", "Compose an engaging"),
    "multiarith.jsonl": ("multiarith", "math", 580, 20, 580, "question", "For Halloween Debby"),
    "singleeq.jsonl": ("singleeq", "math", 508, 0, 508, "question", "Oceanside Bike Rental Shop"),
    "sinstruct_instructions.jsonl": (
        "self-instruct", "generic", 252, 0, 251, "answer", "If you have any questions about my rate"
    ),
    "svamp_test.jsonl": ("svamp", "math", 1000, 0, 1000, "question", "93 groups\nHow big is each"),
}  # fmt: skip


def count(texts: pa.Array, code: bool) -> npt.NDArray[np.int64]:
    """Count tokens as the index does, roughly: words, and every ideograph."""
    return np.array([_tokens(text) for text in texts.to_pylist()], np.int64)


def _tokens(text: str) -> int:
    return len(_WORD.findall(re.sub(r"[⺀-鿿]", " x ", text)))


def one(spec: str) -> ReadBenchmark:
    """Read one benchmark, and check what holds for all."""
    (found,) = read_benchmarks([spec], count)
    counts = found.counts
    reasons = ("empty", "short", "duplicate")
    assert counts["rows"] == counts["usable"] + sum(counts[r] for r in reasons)
    assert len(found.uids) == len(set(found.uids.to_pylist())) == counts["usable"]
    assert len(found.answers) == len(found.options) == len(found.uids)
    assert sorted(set(found.owner.tolist())) == list(range(len(found.uids)))
    assert (np.diff(found.owner) >= 0).all()
    assert len(found.texts) == len(found.fields) == len(found.owner)
    assert sum(counts["sub_items"].values()) == len(found.texts)
    assert len(found.unusable) == counts["rows"] - counts["usable"]
    return found


def texts_of(found: ReadBenchmark, item: int) -> list[tuple[str, str]]:
    """Return (field, text) of an item's sub-items."""
    places = np.flatnonzero(found.owner == item).tolist()
    return [(FIELDS[found.fields[p]], found.texts[p].as_py()) for p in places]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


LONG = 1500  # items: with more the inner loop waits


@pytest.mark.parametrize(
    "file",
    [pytest.param(f, marks=[pytest.mark.slow] * (REAL[f][2] > LONG)) for f in REAL],
)
def test_a_real_file_is_read_by_the_name_of_its_benchmark_and_by_its_own(file: str) -> None:
    path = EVALS / file
    if not path.exists():
        pytest.skip("the sample benchmarks are not here")
    name, kind, usable, duplicates, answered, field, text = REAL[file]
    found = one(f"{name}={path}")
    assert found.benchmark.name == name
    assert found.benchmark.kind == kind
    assert (found.counts["usable"], found.counts["duplicate"]) == (usable, duplicates)
    assert sum(bool(answers) for answers in found.answers.to_pylist()) == answered
    assert any(f == field and text in t for f, t in texts_of(found, 0))
    assert found.reasons[0].startswith("bundled description of")
    if usable < 2000:  # the same again, without the name
        guessed = one(str(path))
        assert guessed.benchmark.fields == found.benchmark.fields
        assert guessed.benchmark.kind == kind
        assert guessed.texts.equals(found.texts)


def test_the_real_files_are_all_named_here() -> None:
    if not EVALS.exists():
        pytest.skip("the sample benchmarks are not here")
    assert sorted(os.listdir(EVALS)) == sorted(REAL)


def test_a_folder_of_files_gives_a_benchmark_a_file_and_numbered_parts_give_one(
    tmp_path: Path,
) -> None:
    row = {"question": "How many legs do spiders have?"}
    for name in ("spiders.jsonl", "birds.jsonl", "fish-00000-of-00002.jsonl",
                 "fish-00001-of-00002.jsonl"):  # fmt: skip
        lines(tmp_path / name, [row])
    made = {one.name: len(one.path) for one in describe([str(tmp_path)])}
    assert made == {"birds": 1, "fish": 2, "spiders": 1}
    parts = tmp_path / "legs"
    parts.mkdir()
    lines(parts / "test-00000.jsonl", [row])
    lines(parts / "part-00001.jsonl", [row])
    (parted,) = describe([f"{parts}/*.jsonl"])
    assert (parted.name, len(parted.path)) == ("legs", 2)


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "jsonl.zst", "json", "csv", "parquet"])
def test_every_format_gives_the_same_items(tmp_path: Path, form: str) -> None:
    rows = [
        {"id": f"q{n}", "question": f"How many legs do {n} spiders have?", "answer": str(8 * n)}
        for n in range(3, 9)
    ]
    path = tmp_path / f"legs.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    elif form == "csv":
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif form == "json":
        path.write_text(json.dumps(rows))
    else:
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        with pa.output_stream(path, {"gz": "gzip", "st": "zstd"}.get(form[-2:])) as stream:
            stream.write(data)
    found = one(f"legs={path}")
    assert found.uids.to_pylist() == [row["id"] for row in rows]
    assert found.texts.to_pylist() == [row["question"] for row in rows]
    assert found.answers.to_pylist() == [[row["answer"]] for row in rows]
    assert found.benchmark.kind == "math"


def test_a_multiple_choice_item_gives_question_long_options_and_both_but_no_labels() -> None:
    benchmark = Benchmark(
        name="b",
        path=("b",),
        kind="mcq",
        fields=Fields(question=("q",), choices=("o",), answer=("a",)),
    )
    row = {"q": "Why is it dark?", "o": ["A) night", "B) the sun has gone under us"], "a": "B"}
    assert sub_items(benchmark, [row]) == [
        (0, 0, "Why is it dark?"),
        (0, 2, "night"),
        (0, 2, "the sun has gone under us"),
        (0, 3, "Why is it dark?\nnight"),
        (0, 3, "Why is it dark?\nthe sun has gone under us"),
    ]
    (item,) = read_items(benchmark, [row])
    assert item.answers == ("the sun has gone under us",)
    assert item.options == ("night", "the sun has gone under us")


def test_only_options_of_five_tokens_are_searched_for_alone(tmp_path: Path) -> None:
    row = {"question": "Why is it dark now?", "choices": ["night", "the sun has gone under"]}
    found = one(f"dark={lines(tmp_path / 'dark.jsonl', [row])}")
    options = [text for field, text in texts_of(found, 0) if field == "option"]
    assert options == ["the sun has gone under"]
    assert found.options.to_pylist() == [row["choices"]]


def test_an_option_fills_the_only_blank_of_a_question() -> None:
    benchmark = Benchmark(
        name="b", path=("b",), kind="mcq", fields=Fields(question=("s",), choices=("x", "y"))
    )
    rows = [{"s": "Sarah beat Maria since _ was weaker.", "x": "Sarah", "y": "Maria"}]
    completed = [text for _, field, text in sub_items(benchmark, rows) if field == 3]
    assert completed == [
        "Sarah beat Maria since Sarah was weaker.",
        "Sarah beat Maria since Maria was weaker.",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["A)5", "B)6"]], (("5", "6"), ("A", "B"))),
        ([["A. yes", "C. no"]], (("A. yes", "C. no"), ())),
        ([[{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]], (("x", "y"), ("A", "B"))),
        ([{"text": ["x", "y"], "label": ["1", "2"]}], (("x", "y"), ("1", "2"))),
        ([{"A": "x", "B": "y", "C": None}], (("x", "y"), ("A", "B"))),
        ([1.0, 2.5], (("1", "2.5"), ())),
        (["a ) 38 , b ) 27.675 , c ) 30"], (("38", "27.675", "30"), ())),
        (['["x", "y"]'], (("x", "y"), ())),
        ([None, "only"], (("only",), ())),
        ([None], ((), ())),
    ],
)
def test_options_are_read_however_they_are_written(
    values: list[Any], expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    assert read_options(values) == Options(*expected)


@pytest.mark.parametrize(
    ("text", "stem", "options"),
    [
        ("Which? Answer Choices: (A) red (B) blue", "Which?", ("red", "blue")),
        ("Which?\nOptions:\n(A) red\n(B) blue\n(C) tan", "Which?", ("red", "blue", "tan")),
        ("Which?\nA. red\nB. blue", "Which?", ("red", "blue")),
        ("Which?\n\nAnswer1: red Answer2: blue", "Which?", ("red", "blue")),
        ("Figure (A) shows a cat", "Figure (A) shows a cat", ()),
        ("Vitamin (B) beats (A)", "Vitamin (B) beats (A)", ()),
    ],
)
def test_options_spelled_out_in_a_question_are_split_off(
    text: str, stem: str, options: tuple[str, ...]
) -> None:
    assert split_inline(text) == (stem, options)


@pytest.mark.parametrize(
    ("answer", "base", "right"),
    [
        ("B", None, "two"), ("b", None, "two"), ("(B)", None, "two"), ("B.", None, "two"),
        (1, 0, "two"), ("1", 0, "two"), (2, 1, "two"), ("answer2", None, "two"),
        ("two", None, "two"), ("two ", 0, "two"), (1, None, None), ("D", None, None),
        (7, 0, None), ("AB", None, None), (None, 0, None),
    ],
)  # fmt: skip
def test_an_answer_means_an_option_by_label_number_or_text(
    answer: Any, base: int | None, right: str | None
) -> None:
    assert right_option(answer, Options(("one", "two", "three")), base) == right


def test_an_option_that_looks_like_a_number_of_one_is_found_by_its_text(tmp_path: Path) -> None:
    rows = [{"question": f"How many are {n} and two?", "choices": ["0", "4", "2", "6"],
             "answer": "2"} for n in range(4)]  # fmt: skip
    found = one(f"sums={lines(tmp_path / 'sums.jsonl', rows)}")
    assert found.answers.to_pylist() == [["2"]] * 4


def test_a_trivial_solution_is_evidence_beside_its_docstring_and_not_searched_for() -> None:
    benchmark = Benchmark(
        name="b",
        path=("b",),
        kind="code",
        fields=Fields(question=("p",), solution=("s",), tests=("t",)),
    )
    long = "for index, part in enumerate(values):\n    total += part * weights[index]\nreturn total"
    rows: list[dict[str, Any]] = [
        {"p": "def add(x, y):\n    '''Add.'''", "s": "    return x + y\n", "t": ["assert 1"]},
        {"p": "def dot(values, weights):", "s": long, "t": "assert dot([1], [2]) == 2"},
    ]
    trivial, whole = read_items(benchmark, rows)
    assert trivial.trivial and not whole.trivial
    assert [FIELDS[field] for field, _ in trivial.texts] == ["question", "tests"]
    assert [FIELDS[field] for field, _ in whole.texts] == ["question", "solution", "tests"]
    assert trivial.answers == ("    return x + y\n",)
    assert informative("return x + y") == 2


def test_a_passage_alone_makes_no_usable_item(tmp_path: Path) -> None:
    passage = "The cat sat on the mat and looked out of the window all day."
    rows = [
        {"question": "Where did the cat sit?", "context": passage, "answers": {"text": ["mat"]}},
        {"question": "", "context": passage, "answers": {"text": ["cat"]}},
    ]
    found = one(f"squad={lines(tmp_path / 'x.jsonl', rows)}")
    assert found.benchmark.kind == "retrieval"
    assert texts_of(found, 0) == [("question", "Where did the cat sit?"), ("passage", passage)]
    assert found.answers.to_pylist() == [["mat"]]
    assert found.unusable == (("x.jsonl:1", "empty"),)


def test_a_worked_answer_is_searched_for_and_its_result_kept(tmp_path: Path) -> None:
    answer = "She sells 48/2 = <<48/2=24>>24 clips in May and so on.\n#### 1,072"
    row = {"question": "How many clips did she sell?", "answer": answer}
    found = one(f"gsm8k={lines(tmp_path / 'x.jsonl', [row])}")
    worked = "She sells 48/2 = 24 clips in May and so on."
    assert texts_of(found, 0)[1] == ("answer", worked)
    assert found.answers.to_pylist() == [["1,072", worked]]


@pytest.mark.parametrize(
    ("text", "final"),
    [
        (r"so $p=\boxed{\frac{1}{2}}$ kPa.", r"\frac{1}{2}"),
        ("9 * 2 = 18\n#### 18", "18"),
        ("She has 4. The answer is 4.0.", "4"),
        ("### A heading\nand text", None),
        ("", None),
        (r"\boxed{", None),
    ],
)
def test_the_result_of_a_worked_answer_is_found(text: str, final: str | None) -> None:
    assert final_answer(text) == final


def test_letters_are_no_answers_where_options_are_not_known(tmp_path: Path) -> None:
    rows = [{"question": f"Which one of the {n} is it?", "answer": "B"} for n in range(3)]
    found = one(f"letters={lines(tmp_path / 'x.jsonl', rows)}")
    assert found.answers.to_pylist() == [[], [], []]


def test_items_that_cannot_be_searched_for_are_named_with_the_reason(tmp_path: Path) -> None:
    questions = ["How many legs has a spider?", "Why?", None, "  ", "HOW many  legs has a spider?"]
    questions += [f"How many legs have {n} spiders?" for n in range(4)]
    rows = [{"question": question, "key": f"k{n}"} for n, question in enumerate(questions)]
    found = one(f"legs={lines(tmp_path / 'legs.jsonl', rows)}")
    assert found.uids.to_pylist() == ["k0", "k5", "k6", "k7", "k8"]
    assert found.unusable == (
        ("k1", "short"), ("k2", "empty"), ("k3", "empty"), ("k4", "duplicate"),
    )  # fmt: skip
    assert found.copies == (("k4", 0),)
    assert found.counts["rows"] == 9


def test_items_without_ids_of_their_own_are_named_by_file_and_row(tmp_path: Path) -> None:
    rows = [{"problem": f"What is {n} times seven?", "id": "same"} for n in range(4)]
    path = lines(tmp_path / "times.jsonl", rows)
    assert one(str(path)).uids.to_pylist() == [f"times.jsonl:{n}" for n in range(4)]
    described = tmp_path / "b.yaml"
    described.write_text(
        "benchmarks:\n- {name: t, path: times.jsonl, kind: math, fields: {question: problem,"
        " id: id}}\n"
    )
    found = one(str(described))
    assert found.uids[2].as_py() == "times.jsonl:2"
    assert found.reasons == ("id id repeats (same): items are named by file and row",)


def test_a_described_benchmark_reads_paths_filters_and_label(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"Name {n} rivers of Spain."},
                      {"role": "assistant", "content": "Ebro"}],
         "meta": {"part": "test" if n % 2 else "train"}, "n": n}
        for n in range(1, 7)
    ]  # fmt: skip
    lines(tmp_path / "talk.jsonl", rows)
    described = tmp_path / "benchmarks.yaml"
    described.write_text(
        """
benchmarks:
  - name: rivers
    path: talk.jsonl
    kind: generic
    fields: {question: "messages[0].content", answer: "messages[-1].content", id: [meta.part, n]}
    split: test
    where: meta.part == test
    overrides: {ngram_ratio: {threshold: 0.6}}
  - name: third
    path: [talk.jsonl]
    fields: {question: "messages[*].content"}
    where: n == 3
"""
    )
    rivers, third = read_benchmarks([str(described)], count)
    assert rivers.uids.to_pylist() == ["test:1", "test:3", "test:5"]
    assert rivers.answers.to_pylist() == [["Ebro"]] * 3
    assert rivers.counts["filtered"] == 3
    assert rivers.benchmark.split == "test"
    assert rivers.benchmark.overrides == {"ngram_ratio": {"threshold": 0.6}}
    assert third.texts.to_pylist() == ["Name 3 rivers of Spain.\nEbro"]
    assert third.benchmark.kind == "generic"


def test_columns_of_several_types_are_read(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "How many legs has a spider?", "answer": 8, "choices": ["6", "8"]},
        {"question": "What do spiders eat at night?", "answer": "flies", "choices": ["flies"]},
    ]
    found = one(f"spiders={lines(tmp_path / 'x.jsonl', rows)}")
    assert found.counts["usable"] == 2
    assert found.answers[1].as_py() == ["flies"]
    assert found.options.to_pylist() == [["6", "8"], ["flies"]]


def test_rows_keep_their_numbers_over_many_splits(tmp_path: Path) -> None:
    rows = [{"question": f"What is the square of the number {n}?"} for n in range(1000)]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    pq.write_table(table.slice(0, 5), tmp_path / "b.parquet")
    described = tmp_path / "b.yaml"
    described.write_text(
        "benchmarks: [{name: squares, path: '*.parquet', fields: {question: question}}]"
    )
    found = one(str(described))
    assert found.uids[999].as_py() == "a.parquet:999"
    assert found.copies == tuple((f"b.parquet:{n}", n) for n in range(5))


def test_the_result_is_the_same_every_time(tmp_path: Path) -> None:
    rows = [{"question": f"Which of the {n} is it?", "choices": ["one", "two"]} for n in range(50)]
    path = lines(tmp_path / "x.jsonl", rows)
    first, second = one(f"x={path}"), one(f"x={path}")
    assert first.texts.equals(second.texts) and first.uids.equals(second.uids)
    assert first.benchmark == second.benchmark and first.counts == second.counts


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
    "rows",
    [
        [{"n": 1}],
        [{"label": "yes"}, {"label": "no"}],
        [{"question": None}],
        [{"question": "Which of these is it?"}] * 10,
    ],
)
def test_a_file_without_questions_is_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match="no column looks like the questions"):
        guess_fields(pa.Table.from_pylist(rows).schema, rows, "rows.jsonl")


def test_a_name_that_is_nearly_a_known_one_is_pointed_out(tmp_path: Path) -> None:
    path = lines(tmp_path / "gsm9k.jsonl", [{"question": "How many legs has a spider?"}])
    assert any("did you mean gsm8k?" in reason for reason in one(str(path)).reasons)


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
