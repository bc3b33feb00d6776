"""Read the filter settings that FineWeb-2 publishes for each language, as a profile.

FineWeb-2 runs datatrove's filters with these; so the profile takes that flavor. Limits that the
file does not give are not made rules of.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from thresher.errors import ConfigError

# Keys of the file, all optional.
KNOWN = (
    *("dup_line_frac", "dup_n_grams", "top_n_grams", "language_score", "line_punct_thr"),
    *("max_non_alpha_words_ratio", "min_avg_word_length", "max_avg_word_length"),
    *("new_line_ratio", "stopwords", "char_duplicates_ratio", "short_line_thr", "min_stop_words"),
)
_RULES: tuple[tuple[str, str, str, str], ...] = (
    ("dup_line_frac", "duplicate_lines", "duplicate_line_share", "max"),
    ("max_non_alpha_words_ratio", "few_alphabetic_words", "alphabetic_word_share", "min"),
    ("min_avg_word_length", "words_too_short", "mean_word_length", "min"),
    ("max_avg_word_length", "words_too_long", "mean_word_length", "max"),
    ("line_punct_thr", "few_sentence_ends", "terminal_punctuation_line_share", "min"),
    ("short_line_thr", "short_lines", "short_line_share", "max"),
    ("char_duplicates_ratio", "repeated_lines", "repeated_line_character_share", "max"),
    ("new_line_ratio", "list_like", "newline_word_ratio", "max"),
)
_GRAMS = (
    ("top_n_grams", "top_{}gram", "top_{}gram_character_share", range(2, 5)),
    ("dup_n_grams", "duplicate_{}grams", "duplicate_{}gram_character_share", range(5, 11)),
)
_MIN_STOP_WORDS = 2


def fineweb2_profile(settings: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Return the profile, as its YAML would read, of one language's settings.

    Args:
        settings: The YAML of the language.
        name: Which language, for the line that says what the profile is.

    Raises:
        ConfigError: A key is unknown or a value is not of its kind.
    """
    for key in settings:
        if key not in KNOWN:
            near = difflib.get_close_matches(str(key), KNOWN, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(KNOWN)}"
            raise ConfigError(f"unknown FineWeb-2 setting {key!r}", remedy=hint)
    text: dict[str, Any] = {"flavor": "datatrove"}
    rules: dict[str, Any] = {}
    for key, rule, signal, bound in _RULES:
        if settings.get(key) is not None:
            rules[rule] = {"signal": signal, bound: _value(key, settings[key], _number)}
    for key, rule, signal, sizes in _GRAMS:
        for size, limit in _value(key, settings.get(key) or (), _pairs):
            if size not in sizes:
                raise ConfigError(
                    f"FineWeb-2 setting {key!r}: no {size}-grams are computed",
                    remedy=f"{sizes.start} to {sizes.stop - 1}",
                )
            rules[rule.format(size)] = {"signal": signal.format(size), "max": limit}
    if settings.get("stopwords"):
        text["stop_words"] = _value("stopwords", settings["stopwords"], _strings)
        least = _value("min_stop_words", settings.get("min_stop_words", _MIN_STOP_WORDS), _number)
        rules["few_stop_words"] = {"signal": "stop_words", "min": least}
    groups = ["text"]
    if settings.get("language_score") is not None:
        groups.append("language")
        score = _value("language_score", settings["language_score"], _number)
        rules["language_unsure"] = {"signal": "language_confidence", "min": score}
    return {
        "about": f"FineWeb-2's filters{f' for {name}' if name else ''}.",
        "groups": groups,
        "options": {"text": text},
        "rules": rules,
    }


def _value(key: str, value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"FineWeb-2 setting {key!r} is not of its kind (given: {value!r})"
        ) from error


def _number(value: Any) -> float:
    if isinstance(value, bool | str):
        raise TypeError("a number is wanted")
    return float(value)


def _pairs(value: Any) -> list[tuple[int, float]]:
    """Read [[n, limit], ...] or a mapping of n to limit."""
    items = value.items() if isinstance(value, Mapping) else value
    return [(int(size), _number(limit)) for size, limit in items]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        raise TypeError("a list is wanted")
    return [str(word) for word in value]
