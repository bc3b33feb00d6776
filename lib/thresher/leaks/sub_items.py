"""Sub-items: the texts of a benchmark item that training rows are searched for.

Each item gives its question, and by its fields: a worked answer, options, the question with each
option, the passage (evidence only), solution and tests, and what is asked later in it. Labels of
options are never searched for, answers are kept apart as evidence. Which texts are long enough is
decided by their tokens, which the caller counts.

Shapes: U items.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from thresher.leaks.benchmarks import Benchmark, Fields
from thresher.leaks.items import FIELDS
from thresher.leaks.options import (
    Options,
    is_label,
    places_begin_at,
    read_options,
    right_option,
    split_inline,
)
from thresher.leaks.paths import find, spelled
from thresher.leaks.values import final_answer, texts, without_calculations

QUESTION, ANSWER, OPTION, QUESTION_OPTION, PASSAGE, SOLUTION, TESTS, TURN = range(len(FIELDS))
# Tokens a text needs to be searched for. Shorter options (None of the above) are everyone's; an
# answer of fewer than 8 is found by chance, and so is one that names little: 38 rows of Alpaca and
# CodeAlpaca have the usual function for Fibonacci's numbers (2026-11). Passages only lend weight to
# a question beside them. A later turn of fewer than 8 (Can you parallelize it?) is said in any
# chat.
LEAST = {QUESTION: 3, ANSWER: 8, OPTION: 5, QUESTION_OPTION: 3, PASSAGE: 8, SOLUTION: 3, TESTS: 3}
LEAST[TURN] = 8
ALONE = (QUESTION, ANSWER, QUESTION_OPTION, SOLUTION, TESTS, TURN)  # an item needs one of these
ASKED = (QUESTION, SOLUTION, TESTS, TURN)  # and without any text of these it is empty
INFORMATIVE = 6
_PLACE = re.compile(r"(.*)\[(\d+)\]([^\[\]]*)")
_SPEAKER = ("role", "from")
_USERS = ("user", "human", "prompter")
_BLANK = re.compile(r"(?<![\w])_+(?![\w])")
_NAME = re.compile(r"[^\W_]\w*|\d+")
_KEYWORDS = frozenset({
    "and", "as", "assert", "bool", "boolean", "break", "char", "class", "const", "continue",
    "def", "del", "do", "double", "elif", "else", "end", "except", "false", "finally", "float",
    "for", "from", "function", "if", "import", "in", "int", "is", "lambda", "let", "list",
    "long", "new", "none", "nonlocal", "not", "null", "or", "pass", "print", "private",
    "public", "raise", "return", "self", "static", "str", "string", "switch", "then", "this",
    "throw", "true", "try", "var", "void", "while", "with", "yield",
})  # fmt: skip


class Item(NamedTuple):
    """What one row gives.

    Attributes:
        texts: (field, text), the field as its place in `FIELDS`.
        answers: Texts any of which is the right answer; never a label.
        options: Texts of all options, short ones too.
        trivial: Whether the solution says too little to be searched for without its docstring.
        turns: The number of each text of the field `turn`: 2 for what is asked after the question.
    """

    texts: tuple[tuple[int, str], ...]
    answers: tuple[str, ...]
    options: tuple[str, ...]
    trivial: bool = False
    turns: tuple[int, ...] = ()


def sub_items(
    benchmark: Benchmark, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[int, int, str]]:
    """Return (row, field, text) of all sub-items, however short, by row and field."""
    return [
        (row, field, text)
        for row, item in enumerate(read_items(benchmark, rows))
        for field, text in item.texts
    ]


def read_items(benchmark: Benchmark, rows: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Take the items of a benchmark apart.

    Args:
        benchmark: With kind and fields.
        rows: All its rows: whether answers count options from 0 or 1 shows in all of them only.
    """
    fields = benchmark.fields
    assert fields is not None and benchmark.kind is not None
    strip = [re.compile(pattern) for pattern in benchmark.strip]
    parts = [_parts(benchmark.kind, fields, strip, row) for row in rows]
    answers = [[_listed(find(row, path)) for path in fields.answer] for row in rows]
    base = places_begin_at(
        [values[0] if values else None for values in answers],
        [len(options.texts) for _, options in parts],
    )
    return [
        _item(benchmark.kind, fields, strip, row, question, options, values, base)
        for row, (question, options), values in zip(rows, parts, answers, strict=True)
    ]


def _parts(
    kind: str, fields: Fields, strip: Sequence[re.Pattern[str]], row: Mapping[str, Any]
) -> tuple[str, Options]:
    question = _stripped(_joined(row, fields.question), strip)
    options = read_options([find(row, path) for path in fields.choices])
    if kind == "mcq" and not fields.choices:
        question, inline = split_inline(question)
        options = Options(inline)
    return question.strip(), options


def _stripped(text: str, strip: Sequence[re.Pattern[str]]) -> str:
    for pattern in strip:
        text = pattern.sub("", text)
    return text


def _item(
    kind: str,
    fields: Fields,
    strip: Sequence[re.Pattern[str]],
    row: Mapping[str, Any],
    question: str,
    options: Options,
    values: Sequence[Any],
    base: int | None,
) -> Item:
    found = [(QUESTION, question)]
    answers: dict[str, None] = {}
    if options.texts:
        right = (right_option(v, options, base) for value in values for v in _each(value))
        answers.update((text, None) for text in right if text)
        written = [t for t in texts(list(values)) if not is_label(t) and not t.isdecimal()]
        answers.update((text, None) for text in written)
    else:
        for text in texts(list(values)):
            final, worked = final_answer(text), without_calculations(text)
            if is_label(text):
                final, worked = right_option(text, Options(split_inline(question)[1]), None), ""
            answers.update((t, None) for t in (final, worked) if t and not is_label(t))
            if informative(worked) >= INFORMATIVE:
                found.append((ANSWER, worked))
    blank = "_" in question and len(_BLANK.findall(question)) == 1
    for option in dict.fromkeys(options.texts):
        found.append((OPTION, option))
        if question:
            found.append((QUESTION_OPTION, _completed(question, option, blank)))
    solution = _joined(row, fields.solution)
    trivial = bool(solution) and kind == "code" and informative(solution) < INFORMATIVE
    if solution:
        final = final_answer(solution)
        answers.update((text, None) for text in (final, solution) if text)
    found.append((PASSAGE, _joined(row, fields.passage)))
    found.append((SOLUTION, "" if trivial else solution))
    found.append((TESTS, _joined(row, fields.tests)))
    turns: dict[str, int] = {}
    for number, path in enumerate(fields.turns, 2):
        turn = _stripped(turn_at(row, path), strip).strip()
        if turn and turn != question:
            turns.setdefault(turn, number)
    found += [(TURN, turn) for turn in turns]
    kept = dict.fromkeys((field, text) for field, text in found if text)
    kept_texts = tuple(sorted(kept, key=lambda one: one[0]))
    return Item(kept_texts, tuple(answers), options.texts, trivial, tuple(turns.values()))


def later_turns(question: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the paths of what is asked after a question that is one of a list.

    After `turns[0]` that is `turns[1]`, and `messages[2].content` after `messages[0].content`,
    where the user speaks there in any of the rows.
    """
    place = _PLACE.fullmatch(question[0]) if len(question) == 1 else None
    if place is None:
        return ()
    before, first, after = place[1], int(place[2]), place[3]
    listed = (spelled(find(row, before)) for row in rows)
    most = max((len(found) for found in listed if isinstance(found, list)), default=0)
    paths = (f"{before}[{number}]{after}" for number in range(first + 1, most))
    return tuple(path for path in paths if any(turn_at(row, path) for row in rows))


def turn_at(row: Mapping[str, Any], path: str) -> str:
    """Return what is asked at a path; nothing where another than the user speaks."""
    message = find(row, path[: path.rindex("]") + 1]) if "]" in path else None
    if isinstance(message, Mapping):
        speakers = (str(message[key]).lower() for key in _SPEAKER if message.get(key) is not None)
        if next(speakers, _USERS[0]) not in _USERS:
            return ""
    return _joined(row, (path,))


def _joined(row: Mapping[str, Any], paths: Sequence[str]) -> str:
    return "\n".join(text for path in paths for text in _raw(find(row, path)))


def _raw(value: Any) -> list[str]:
    """Return texts as they are written, indented code too; a number as people write it."""
    if isinstance(value, list | tuple):
        return [text for item in value for text in _raw(item)]
    if isinstance(value, str):
        return [value] if value.strip() else []
    return texts(value)


def _listed(value: Any) -> Any:
    """Return the answers that a text spells as a JSON list of texts; other values as they are."""
    made = spelled(value)
    texts_only = isinstance(made, list) and all(isinstance(item, str) for item in made)
    return made if texts_only and made else value


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _completed(question: str, option: str, blank: bool) -> str:
    """Return a question with an option in its only blank, else behind it."""
    if blank:
        return _BLANK.sub(lambda _: option, question)
    return f"{question}\n{option}"


def informative(code: str) -> int:
    """Count the different names and numbers of code that are no words of the language."""
    return len({word for word in _NAME.findall(code) if word.lower() not in _KEYWORDS})
