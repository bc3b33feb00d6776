"""What happens to test items on their way into training data: seeded edits of a text.

An edit that leaves a text as it was does not apply to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Edit = Callable[[Random, str], str]
_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_HAN = re.compile(r"[\u3400-\u9fff]")
LINE_WORDS = 8


def verbatim(random: Random, text: str) -> str:
    """Return the text."""
    return text


def reworded(share: float, words: list[str], unit: re.Pattern[str] = _WORD) -> Edit:
    """Return the edit of so many words: a third replaced, a third dropped, a third put in.

    Args:
        share: Of the words, at least one.
        words: What new ones are drawn from.
        unit: What a word is.
    """

    def edit(random: Random, text: str) -> str:
        places = [match.span() for match in unit.finditer(text)]
        chosen = random.sample(places, min(len(places), max(1, round(share * len(places)))))
        for number, (start, stop) in sorted(
            enumerate(chosen), key=lambda pair: pair[1], reverse=True
        ):
            new = random.choice(words)
            blank = " " if unit is _WORD else ""
            made = (new, "", f"{new}{blank}{text[start:stop]}")[number % 3]
            text = text[:start] + made + text[stop:]
        return text

    return edit


def letters_changed(share: float, letters: list[str]) -> Edit:
    """Return the same edit of Chinese characters."""
    return reworded(share, letters, _HAN)


def other_numbers(random: Random, text: str) -> str:
    """Give every number other digits, as many as it had."""

    def other(match: re.Match[str]) -> str:
        digits = [c if not c.isdigit() else str(random.randint(1, 9)) for c in match.group()]
        made = "".join(digits)
        return made if made != match.group() else f"{made}0"

    return _NUMBER.sub(other, text)


def wrapped(random: Random, text: str) -> str:
    """Break lines after every eighth word, as a page that was printed."""
    words = text.split()
    lines = [words[i : i + LINE_WORDS] for i in range(0, len(words), LINE_WORDS)]
    return "\n".join(" ".join(line) for line in lines)


def upper(random: Random, text: str) -> str:
    """Write all in capitals."""
    return text.upper()


def curly(random: Random, text: str) -> str:
    """Set the quotes and dashes that a word processor would."""
    text = re.sub(r'(^|[\s(])"', "\\1\u201c", text).replace('"', "\u201d")
    text = re.sub(r"(^|[\s(])'", "\\1\u2018", text).replace("'", "\u2019")
    return text.replace(" - ", " \u2014 ").replace("...", "\u2026")


def markdown(random: Random, text: str) -> str:
    """Quote the text, with a heading, its first sentence bold and every fifth word set apart."""
    head, mark, rest = text.partition(". ")
    words = rest.split(" ")
    marked = [f"*{w}*" if w.isalpha() and n % 5 == 4 else w for n, w in enumerate(words)]
    body = f"**{head.strip()}{mark.strip()}** {' '.join(marked)}".rstrip()
    return "## Question\n\n" + "\n".join(f"> {line}" for line in body.split("\n"))


def latex(random: Random, text: str) -> str:
    """Put numbers between dollars, or formulas between brackets, and some words in commands."""
    if "$" in text:
        text = re.sub(r"\$([^$]+)\$", r"\\(\1\\)", text)
    else:
        text = _NUMBER.sub(lambda match: f"${match.group()}$", text)
    words = text.split(" ")
    return " ".join(
        f"\\text{{{word}}}" if word.isalpha() and n % 7 == 3 else word
        for n, word in enumerate(words)
    )
