"""Options of multiple-choice questions: in whatever shape a file writes them, never their labels.

Labels (A, (A), A), A., 1) say nothing about an item and everything about its layout: they are cut
off options and resolved in answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from thresher.leaks.paths import spelled
from thresher.leaks.values import plain, texts

LETTERS = "ABCDEFGHIJ"
_LABEL = re.compile(r"\s*(?:\(([A-Ja-j])\)|([A-Ja-j])\s?[).:])\s*")
_INLINE = tuple(
    re.compile(pattern)
    for pattern in (
        r"\(([A-J])\)\s*",
        r"(?:(?<=\s)|(?<=,)|^)([A-J])\s?\)\s*",
        r"(?:(?<=\s)|(?<=,)|^)([a-j])\s?\)\s*",
        r"(?:(?<=\n)|^)([A-J])[.:]\s*",
        r"(?<=\s)([A-J])\.\s+",
        r"\b(?:[Aa]nswer|[Oo]ption|[Ss]olution|[Ee]nding|[Cc]hoice)\s?(\d)\s?:\s*",
    )
)
_HEADING = re.compile(r"(?i)[\s(\[]*\b(?:answer )?(?:choices|options|answers)(?: are)?\s*:?\s*$")
_CALLED = re.compile(r"(?i)(?:answer|option|solution|ending|choice)?\s?\(?(\w)\)?[.):]?")
_LONE = re.compile(r"(?i)(?:(?:answer|option|solution|ending|choice)\s?\(?\w\)?|\(?[a-j]\)?)[.):]?")


class Options(NamedTuple):
    """Options in order, and what the file calls each; no labels where it calls them nothing."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def read_options(values: Sequence[Any]) -> Options:
    """Read the options of one item.

    Args:
        values: What each column of `choices` holds: the text of one option, a list of texts or of
            objects with text and label, lists of texts and labels side by side, an object of
            options by letter, or a text with labels in it.
    """
    found = [_read(value) for value in values]
    options = [text for one in found for text in one.texts]
    labels = [label for one in found for label in one.labels]
    if len(labels) != len(options):
        labels = []
    return _unlabelled(Options(tuple(options), tuple(labels)))


def _read(value: Any) -> Options:
    value = spelled(value)
    if isinstance(value, Mapping):
        return _of_object(value)
    if isinstance(value, list):
        objects = [item for item in value if isinstance(item, Mapping)]
        if not objects:
            return Options(tuple(texts(value)))
        made = [_of_object(item) for item in objects]
        labels = [label for one in made for label in one.labels]
        return Options(tuple(text for one in made for text in one.texts), tuple(labels))
    if isinstance(value, str):
        stem, options = split_inline(value)
        if options and not stem.strip():
            return Options(options)
    return Options(tuple(texts(value)))


def _of_object(value: Mapping[str, Any]) -> Options:
    """Read an object: text and label of one option or of all, or one option a key."""
    names = {str(name).lower(): name for name in value}
    for wanted in ("text", "content", "value", "choices"):
        if wanted in names:
            label = next((value[names[n]] for n in ("label", "key", "id") if n in names), None)
            return Options(tuple(texts(value[names[wanted]])), tuple(texts(label)))
    pairs = [(str(key), text) for key, item in value.items() for text in texts(item)[:1]]
    return Options(tuple(text for _, text in pairs), tuple(key for key, _ in pairs))


def _unlabelled(options: Options) -> Options:
    """Cut labels off the options where every one carries its own, in order."""
    found = [_LABEL.match(text) for text in options.texts]
    letters = [(m[1] or m[2]).upper() if m else "" for m in found]
    if len(letters) < 2 or "".join(letters) != LETTERS[: len(letters)]:
        return options
    cut = tuple(text[m.end() :] for text, m in zip(options.texts, found, strict=True) if m)
    return Options(cut, options.labels or tuple(letters))


def split_inline(text: str) -> tuple[str, tuple[str, ...]]:
    """Split a question that spells its options out into the question and the options.

    Labels must follow each other from the first; without at least two, the text stays whole.
    """
    for pattern in _INLINE:
        run: list[re.Match[str]] = []
        for match in pattern.finditer(text):
            place = _place(match[1])
            if place == 0:
                run = [match]
            elif run and place == len(run):
                run.append(match)
        if len(run) > 1:
            ends = [match.start() for match in run[1:]] + [len(text)]
            cut = [text[m.end() : end] for m, end in zip(run, ends, strict=True)]
            cut[-1] = cut[-1].split("\n\n")[0]
            stem = _HEADING.sub("", text[: run[0].start()])
            return stem.rstrip(), tuple(option.strip(" ,;\t\r\n") for option in cut)
    return text, ()


def _place(label: str) -> int:
    return int(label) - 1 if label.isdigit() else LETTERS.index(label.upper())


def places_begin_at(values: Sequence[Any], widths: Sequence[int]) -> int | None:
    """Tell whether answers that are numbers count options from 0 or from 1; None if unclear.

    Args:
        values: The answers of all items.
        widths: The number of options of each.
    """
    numbers = [_number(value) for value in values]
    if 0 in numbers:
        return 0
    if any(n is not None and n == width for n, width in zip(numbers, widths, strict=True)):
        return 1
    return None


def _number(value: Any) -> int | None:
    text = plain(value) if not isinstance(value, bool) else ""
    return int(text) if text.isdecimal() and len(text) < 3 else None


def right_option(answer: Any, options: Options, base: int | None) -> str | None:
    """Return the text of the option that an answer means; None where it means none.

    Args:
        answer: A label, a number, a name such as answer3, or the text of the option.
        options: The item's options.
        base: The number of the first option, where answers are numbers.
    """
    text = plain(answer)
    if not isinstance(answer, int) or base is None:
        for option in options.texts:
            if option.strip() == text:
                return option
    called = _CALLED.fullmatch(text)
    label = called[1] if called else text
    if label in options.labels:
        return options.texts[options.labels.index(label)]
    place: int | None = None
    if len(label) == 1 and label.upper() in LETTERS:
        place = LETTERS.index(label.upper())
    elif label.isdecimal():
        first = 1 if label != text else base
        place = None if first is None else int(label) - first
    inside = place is not None and 0 <= place < len(options.texts)
    return options.texts[place] if inside and place is not None else None


def is_label(text: str) -> bool:
    """Tell whether a text only names an option: a letter, or a number behind `answer`."""
    return _LONE.fullmatch(text.strip()) is not None
