"""Published benchmarks, folders and formats are read by name, with the items that they hold."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.leaks.read_sets import lines, one, texts_of
from thresher.errors import InputError
from thresher_jobs.leak_named import describe

EVALS = Path(__file__).parents[2].parent / "shared" / "data" / "evals"


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


LONG = 1500  # items: with more the inner loop waits


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("gsm8k=gsm8k_test.jsonl", ["gsm8k_official_test.jsonl"]),
        ("gsm8k=test.jsonl", ["svamp_test.jsonl", "gsm8k_official_test.jsonl"]),
        ("svamp=x.jsonl", ["svamp_test.jsonl"]),
        ("gsm8k.jsonl", ["gsm8k_official_test.jsonl"]),
        ("mine=svanp_tets.jsonl", ["svamp_test.jsonl"]),
        ("mine=wholly other.csv", []),
        ("mine=absent/x.jsonl", []),
    ],
)
def test_a_file_that_is_not_there_is_looked_for_by_its_stem_and_its_benchmark(
    spec: str, meant: list[str], tmp_path: Path
) -> None:
    for name in ("gsm8k_official_test.jsonl", "svamp_test.jsonl", "_gsm8k_test.jsonl"):
        (tmp_path / name).write_text("{}")
    name, _, file = spec.rpartition("=")
    path = tmp_path / file
    with pytest.raises(InputError) as told:
        one(f"{name}={path}" if name else str(path))
    said = " or ".join(str(tmp_path / other) for other in meant)
    assert ("did you mean" in str(told.value)) == bool(meant)
    assert f"did you mean {said}?" in str(told.value) or not meant
