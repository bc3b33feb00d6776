"""Published training sets beside the tests that they hold, wholly, in part or not at all.

Each set writes its rows and names its benchmarks; what was found is counted by item or by row. What
is right is what the publishers say, or what the splits are.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
TESTS = ("AQuA", "AddSub", "MultiArith", "SVAMP", "SingleEq", "gsm8k")
NAMED = {"question": "question", "answer": "answer", "id": "id"}


class Match(NamedTuple):
    """A match that was found: its row's number in the only input, the item, and where it lies."""

    row: int
    benchmark: str
    item: str
    contaminated: bool
    start: int
    stop: int


class Search(NamedTuple):
    """What is searched for what: rows, and benchmarks as the command line names them."""

    rows: list[Row]
    against: list[str]


class Share(NamedTuple):
    """So many of so many were found; `right` says whether they ought to be."""

    what: str
    found: int
    of: int
    right: bool


Count = Callable[[Search, Sequence[Match]], list[Share]]


class LeakSet(NamedTuple):
    """A set: how it is made of the data in a folder, and what is counted of its matches."""

    name: str
    make: Callable[[Path, Path], Search]
    count: Count


def records(path: Path) -> list[Row]:
    """Read JSON lines."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line) for line in text.splitlines()]


def written(path: Path, rows: Iterable[Row]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
    return path


def chat(question: str, answer: str) -> Row:
    """Return a question and its answer as a row of a training set."""
    turns = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def alpaca(row: Row) -> Row:
    """Return what a row of an Alpaca file says, without the columns that would tell the truth."""
    return {name: row[name] for name in ("instruction", "input", "output")}


def _rows_hit(matches: Sequence[Match]) -> set[int]:
    return {match.row for match in matches if match.contaminated}


def rows_found(what: str, *, right: bool) -> Count:
    """Count the rows that are called leaked."""

    def count(search: Search, matches: Sequence[Match]) -> list[Share]:
        return [Share(what, len(_rows_hit(matches)), len(search.rows), right)]

    return count


def six_tests(data: Path, folder: Path) -> Search:
    """A fine-tuning set whose authors say that it holds 80 % of six tests."""
    tests = data / "contamination" / "llm_adapters_six_tests.jsonl"
    described = [
        {
            "name": name,
            "path": str(tests.resolve()),
            "where": f"benchmark == {name}",
            "fields": NAMED,
        }
        | {"kind": "mcq" if name == "AQuA" else "math"}
        for name in TESTS
    ]
    rows = records(data / "contamination" / "llm_adapters_math_data_train.jsonl")
    return Search([alpaca(row) for row in rows], [_yaml(folder, described)])


def _yaml(folder: Path, described: Sequence[Row]) -> str:
    """Write a benchmarks.yaml; JSON is YAML."""
    path = folder / "benchmarks.yaml"
    path.write_text(json.dumps({"benchmarks": list(described)}))
    return str(path)


def six_counted(data: Path) -> Count:
    """Count items that the publishers say are in the set, and the others."""

    def count(search: Search, matches: Sequence[Match]) -> list[Share]:
        tests = records(data / "contamination" / "llm_adapters_six_tests.jsonl")
        hit = {match.item for match in matches if match.contaminated}
        return [
            Share(
                what, *_counted(hit, [t["id"] for t in tests if t["in_math_data"] is there]), there
            )
            for what, there in (("items that are in it", True), ("items that are not", False))
        ]

    return count


def _counted(hit: set[str], ids: Sequence[str]) -> tuple[int, int]:
    return len(hit.intersection(ids)), len(ids)


def gsm8k_train(data: Path, folder: Path) -> Search:
    """The other split of a benchmark."""
    rows = records(data / "contamination" / "gsm8k_train_alpaca_format.jsonl.gz")
    return Search(rows, [_gsm8k(data)])


def _gsm8k(data: Path) -> str:
    return f"gsm8k={data / 'evals' / 'gsm8k_official_test.jsonl'}"


def gsm8k_answers(data: Path, folder: Path) -> Search:
    """Answers of models to a test."""
    rows = records(data / "gsm8k_model_solutions" / "solutions.jsonl")
    return Search([chat(row["question"], row["solution"]) for row in rows], [_gsm8k(data)])


def math_train(data: Path, folder: Path) -> Search:
    """The other split of MATH, which holds 81 problems of the test by at least half."""
    rows = records(data / "evals" / "math_train_3000.jsonl")
    tests = data / "evals" / "math_test_3000.jsonl"
    return Search([chat(row["problem"], row["solution"]) for row in rows], [f"math={tests}"])


def alpaca_rows(data: Path, folder: Path) -> Search:
    """General instructions, which share phrases with tests."""
    files = sorted((data / "alpaca52k").glob("*.jsonl.gz"))
    rows = [alpaca(row) for file in files for row in records(file)]
    evals = data / "evals"
    return Search(rows, [f"mbpp={evals / 'mbpp.jsonl'}", f"mmlu={evals / 'mmlu_test.jsonl'}"])


def siblings(data: Path, folder: Path) -> Search:
    """Every other question of MMLU against the rest; those about a shared passage left out."""
    rows = [
        row
        for row in records(data / "evals" / "mmlu_test.jsonl")
        if "refers to the following information" not in row["question"]
    ]
    tests = written(folder / "mmlu_half.jsonl", rows[::2])
    return Search([{"text": row["question"]} for row in rows[1::2]], [f"mmlu={tests}"])


def rewritten(data: Path, folder: Path) -> Search:
    """Questions that a model put in other words, against the questions as they were."""
    rows = records(data / "contamination" / "benbench_gsm8k_rewritten_trainsplit_rw1.jsonl")
    tests = [
        {"id": number, "question": row["original_question"], "answer": row["original_answer"]}
        for number, row in enumerate(rows)
    ]
    again = [chat(row["rewritten_question"], row["rewritten_answer"]) for row in rows]
    path = str(written(folder / "original.jsonl", tests))
    one = {"name": "gsm8k", "path": path, "kind": "math", "fields": NAMED}
    return Search(again, [_yaml(folder, [one])])


def own_item(what: str) -> Count:
    """Count the rows that are found by the item of their own number."""

    def count(search: Search, matches: Sequence[Match]) -> list[Share]:
        found = {m.row for m in matches if m.contaminated and m.item == str(m.row)}
        return [Share(what, len(found), len(search.rows), True)]

    return count


def labelled(data: Path, folder: Path) -> Search:
    """The nearest code of a training set to each item of HumanEval, judged by a model."""
    rows = records(data / "contamination" / "codealpaca_vs_humaneval_labelled.jsonl")
    return Search(
        [{"text": row["train_best_match"][0]} for row in rows],
        [f"humaneval={data / 'evals' / 'humaneval.jsonl'}"],
    )


def by_label(data: Path) -> Count:
    """Count rows that are found by the item that they were judged beside, by the judgement."""

    def count(search: Search, matches: Sequence[Match]) -> list[Share]:
        rows = records(data / "contamination" / "codealpaca_vs_humaneval_labelled.jsonl")
        own = {m.row for m in matches if m.contaminated and m.item == f"HumanEval/{m.row}"}
        labels = [any(row["gpt4_verdict"]) for row in rows]
        return [
            Share(what, sum(label is right and n in own for n, label in enumerate(labels)),
                  labels.count(right), right)
            for what, right in (("pairs labelled the same", True), ("pairs labelled others", False))
        ]  # fmt: skip

    return count


def sets(data: Path) -> tuple[LeakSet, ...]:
    """Return all sets over the data in a folder."""
    others = rows_found("rows", right=False)
    return (
        LeakSet("LLM-Adapters against six tests", six_tests, six_counted(data)),
        LeakSet("models' answers to GSM8K", gsm8k_answers, rows_found("rows", right=True)),
        LeakSet("GSM8K put in other words by a model", rewritten, own_item("rows")),
        LeakSet("CodeAlpaca beside HumanEval", labelled, by_label(data)),
        LeakSet("GSM8K train against test", gsm8k_train, others),
        LeakSet("MATH train against test, which share 81 items", math_train, others),
        LeakSet("Alpaca against MBPP and MMLU", alpaca_rows, others),
        LeakSet("half of MMLU against the other", siblings, others),
    )
