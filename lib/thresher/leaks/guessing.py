"""Guesses at what a file without a description holds: by its name, its columns and its first rows.

A guess comes with its reasons, to be shown before anything is searched. A file in which nothing
looks like a question is refused: a benchmark of nothing would let everything pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from thresher.errors import ConfigError
from thresher.leaks.benchmarks import Benchmark, Fields, Kind
from thresher.leaks.known import described, first_way, look_up, of_file, split_of
from thresher.leaks.options import split_inline
from thresher.leaks.paths import find
from thresher.leaks.usual import ANSWER, CHOICES, ID, PASSAGE, QUESTION, SOLUTION, TESTS, Ways
from thresher.leaks.values import final_answer, texts

Rows = Sequence[Mapping[str, Any]]
Way = tuple[str, ...]
SUFFIXES = (".gz", ".gzip", ".zst", ".zstd", ".parquet", ".pq", ".jsonl", ".ndjson", ".json",
            ".csv", ".arrow")  # fmt: skip
_PARTS = ("question", "problem", "prompt", "instruction", "query", "text")
_LABELS = ("answerKey", "label", "gold", "correct", "answer_idx", "answer_index")
_NUMBER = re.compile(r"[$€£]?\s*-?[\d.,/]+\s*%?|\\?boxed.*")
_LEAST_WORDS = 3


def stem_of(file_name: str) -> str:
    """Return a file's name without its folder and what says how it is written."""
    name = PurePosixPath(file_name.replace("\\", "/")).name
    while (suffix := PurePosixPath(name).suffix).lower() in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def guess_fields(schema: pa.Schema, rows: Rows, file_name: str) -> tuple[Benchmark, list[str]]:
    """Guess what a file holds.

    Args:
        schema: Its columns.
        rows: Its first rows.
        file_name: Its name, or that which the user gave the benchmark.

    Returns:
        The description, named by the file and with that as its path, and the reasons for it.

    Raises:
        ConfigError: No column looks like questions.
    """
    stem = stem_of(file_name) or file_name
    empty = Benchmark(name=stem, path=(file_name,), split=split_of(stem))
    known = look_up(stem) or of_file(stem)
    if known is not None:
        made = described(empty, schema, known)
        if made is not None and made.fields and _reads_as_question(made.fields.question, rows):
            return made, [f"the name says {known.name} ({known.known.about})", made.summary()]
    return _by_columns(empty, schema, rows)


def _by_columns(empty: Benchmark, schema: pa.Schema, rows: Rows) -> tuple[Benchmark, list[str]]:
    question, why = _question(schema, rows)
    if question is None:
        named = next((found for way in QUESTION if (found := first_way([way], schema))), None)
        if named is not None:
            raise ConfigError(
                f"no item can be searched for: {' and '.join(named)} is empty, of fewer than "
                f"{_LEAST_WORDS} words, or the same in most rows",
                path=empty.path[0],
                remedy="is it the right file and column? name columns in a benchmarks.yaml: "
                "fields: {question: COLUMN}",
            )
        raise ConfigError(
            f"no column looks like the questions of a benchmark; columns: "
            f"{', '.join(schema.names) or 'none'}",
            path=empty.path[0],
            remedy="name them in a benchmarks.yaml: fields: {question: COLUMN}",
        )
    taken = set(question)
    choices = _way(CHOICES, schema, rows, taken)
    inline = not choices and _share(rows, lambda row: _spells_options(row, question)) > 0.8
    answer = _way(ANSWER, schema, rows, taken) or _holding("answer", schema, rows, taken)
    if not (choices or inline) and answer and answer[0].split(".")[-1] in _LABELS:
        answer = ()
    tests = _way(TESTS, schema, rows, taken)
    solution = _way(SOLUTION, schema, rows, taken | set(tests))
    if tests and not solution and answer == ("solution",):
        solution, answer = answer, ()
    fields = Fields(
        question=question,
        answer=answer,
        choices=choices,
        passage=_way(PASSAGE, schema, rows, taken),
        solution=solution,
        tests=tests,
        id=_identifier(schema, rows, taken),
    )
    kind, because = _kind(fields, rows, inline)
    made = empty.model_copy(update={"fields": fields, "kind": kind})
    reasons = [f"question: {why}", f"kind: {because}", made.summary()]
    return made, reasons


def _question(schema: pa.Schema, rows: Rows) -> tuple[Way | None, str]:
    for way in QUESTION:
        found = first_way([way], schema)
        if found and _reads_as_question(found, rows):
            return found, f"{' and '.join(found)}, by name"
    strings = [field.name for field in schema if _is_text(field.type)]
    for part in _PARTS:
        for name in strings:
            if part in name.lower() and _reads_as_question((name,), rows):
                return (name,), f"{name}, by part of its name"
    plausible = [name for name in strings if _reads_as_question((name,), rows)]
    if not plausible:
        return _seldom_filled(schema, rows)
    longest = max(plausible, key=lambda name: sum(len(_text(row, (name,))) for row in rows))
    return (longest,), f"{longest}, the longest text"


def _seldom_filled(schema: pa.Schema, rows: Rows) -> tuple[Way | None, str]:
    """Return a column that is named like questions, and holds them in the rows that fill it."""
    for way in QUESTION:
        found = first_way([way], schema)
        asked = [row for row in rows if found and _text(row, found).strip()]
        if found and _reads_as_question(found, asked):
            return found, f"{' and '.join(found)}, by name, where it is filled"
    return None, ""


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _text(row: Mapping[str, Any], way: Way) -> str:
    return "\n".join(text for path in way for text in texts(find(row, path)))


def _reads_as_question(way: Way, rows: Rows) -> bool:
    """Tell whether at least half of the rows have a text of a few words, few of them alike."""
    found = [_text(row, way) for row in rows]
    said = [text for text in found if _has_words(text)]
    distinct = len(set(said)) * 2 >= len(said) or len(said) < 4
    return bool(said) and len(said) * 2 >= len(rows) and distinct


def _has_words(text: str) -> bool:
    words = re.findall(r"\w+", text)
    return len(words) >= _LEAST_WORDS or sum(ord(c) > 0x2E7F for c in text) >= 2 * _LEAST_WORDS


def _way(ways: Ways, schema: pa.Schema, rows: Rows, taken: set[str]) -> Way:
    """Return the first way that the file has, whose columns are free and not all empty."""
    for way in ways:
        found = first_way([way], schema)
        if found and not taken & set(found) and any(_text(row, found) for row in rows):
            return found
    return ()


def _holding(part: str, schema: pa.Schema, rows: Rows, taken: set[str]) -> Way:
    names = [name for name in schema.names if part in name.lower()]
    return _way(tuple((name,) for name in names), schema, rows, taken)


def _identifier(schema: pa.Schema, rows: Rows, taken: set[str]) -> Way:
    """Return a column that has another value in every row."""
    for way in ID:
        found = first_way([way], schema)
        if found and not taken & set(found):
            values = [_text(row, found) for row in rows]
            if all(values) and len(set(values)) == len(values):
                return found
    return ()


def _share(rows: Rows, holds: Any) -> float:
    return sum(bool(holds(row)) for row in rows) / max(1, len(rows))


def _spells_options(row: Mapping[str, Any], way: Way) -> bool:
    return bool(split_inline(_text(row, way))[1])


def kind_of(fields: Fields) -> Kind:
    """Return the kind that named fields speak for."""
    return _kind(fields, (), False)[0]


def _kind(fields: Fields, rows: Rows, inline: bool) -> tuple[Kind, str]:
    if fields.choices:
        return "mcq", f"mcq, options in {', '.join(fields.choices)}"
    if inline:
        return "mcq", "mcq, the questions spell options out"
    if fields.solution or fields.tests:
        return "code", f"code, {', '.join((*fields.solution, *fields.tests))}"
    if fields.passage:
        return "retrieval", f"retrieval, passages in {fields.passage[0]}"
    if fields.answer and _share(rows, lambda row: _is_number(_text(row, fields.answer))) > 0.5:
        return "math", "math, most answers are numbers"
    return "generic", "generic"


def _is_number(text: str) -> bool:
    marked = final_answer(text)
    return bool(_NUMBER.fullmatch(text.strip()) or (marked and _NUMBER.fullmatch(marked)))
