"""Values of any type as texts: numbers as people write them, lists item by item."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CALCULATION = re.compile(r"<<[^<>\n]*>>")  # GSM8K's notes to a calculator
_FINAL = re.compile(r"(?m)^####[ \t]*(\S.*?)\s*\Z")
_SAID = re.compile(r"(?i)\b(?:final )?answer is:?[ \t]*(\S[^\n]*?)\.?[ \t]*(?:\n|\Z)")
_WHOLE = re.compile(r"-?\d+\.0+")
_LONGEST_FINAL = 200  # characters: what is longer is a sentence, not an answer


def plain(value: Any) -> str:
    """Return a value as text; 145.0 is 145, nothing is empty."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    text = value if isinstance(value, str) else str(value)
    stripped = text.strip()
    return stripped.split(".")[0] if _WHOLE.fullmatch(stripped) else stripped


def texts(value: Any) -> list[str]:
    """Return the texts in a value, lists and objects item by item; nothing for nothing."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [text for item in value for text in texts(item)]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in texts(item)]
    text = plain(value)
    return [text] if text else []


def without_calculations(text: str) -> str:
    """Return an answer without GSM8K's notes to a calculator and its line of the result."""
    text = _CALCULATION.sub("", text)
    return _FINAL.sub("", text).rstrip()


def final_answer(text: str) -> str | None:
    r"""Return the last result that a worked answer marks, by \boxed{}, #### or `answer is`."""
    found = _boxed(text)
    if found is None and (hashed := _FINAL.search(text)):
        found = hashed[1]
    if found is None and (said := _SAID.findall(text)):
        found = said[-1]
    if found is None or not 0 < len(found.strip()) <= _LONGEST_FINAL:
        return None
    return plain(found.strip().strip("$"))


def _boxed(text: str) -> str | None:
    begin = text.find("{", text.rfind("\\boxed")) if "\\boxed" in text else -1
    depth = 0
    for place in range(max(begin, 0), len(text) if begin >= 0 else 0):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[begin + 1 : place]
    return None
