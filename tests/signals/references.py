"""The text signals in plain Python: what each flavor's figures are, one text at a time.

Slow, and written without a look at the kernels; `tests/signals/test_text_*.py` hold them equal.
Only the script and sentence-end properties of characters are read from the shipped tables.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from statistics import median
from typing import Any

from tests.signals.plain_words import (
    KINDS,
    category,
    duplicates,
    grams,
    is_punctuation,
    is_terminal,
    lines_of,
    lower,
    ratio,
    repeated_share,
    size_of,
    split_words,
    top_share,
)
from thresher.signals import characters as c
from thresher.signals.text_options import Flavor, TextOptions

Values = dict[str, Any]


CITATION = re.compile(r"\[[0-9]*\]|\[edit\]|\[citation needed\]")


POLICIES = (
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies"),
    "use cookies",
)


NOUNS = (
    "likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views|"
    "followers"
)


COUNTER_LINE = re.compile(rf"[0-9][0-9.,kmb]*[ \t]+(?:{NOUNS})", re.IGNORECASE | re.ASCII)


URL = re.compile(r"https?://[!-~]*", re.IGNORECASE | re.ASCII)


ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


BULLETS = {
    Flavor.DCLM: "●•*-",
    Flavor.DATATROVE: "•-",
    Flavor.DOLMA: "*-",
    Flavor.RPV2: "●•*-‣▶◀◦■□▪▫–",
    Flavor.NEMO: "●•*-‣▶◀◦■□▪▫–",
}


def line_figures(text: str, words: list[str], options: TextOptions) -> Values:
    """Return the figures about lines and paragraphs."""
    flavor = options.flavor
    raw = flavor in (Flavor.DATATROVE, Flavor.DOLMA)
    all_copies = flavor not in (Flavor.DATATROVE, Flavor.NEMO)
    lines, pieces = lines_of(text, flavor)
    filled = [line for line in lines if line.strip()]
    number, chars = duplicates(pieces, all_copies)
    whole = {Flavor.DATATROVE: len(text), Flavor.DOLMA: size_of(words)}
    parts = re.split(r"\n{2,}", text.strip()) if text.strip() else []
    if not raw:
        parts = [part.strip() for part in parts if part.strip()]
    part_number, part_chars = duplicates(parts, all_copies)
    starts = [line if flavor is Flavor.DOLMA else line.lstrip() for line in lines]
    ends = [line if flavor is Flavor.DOLMA else line.rstrip() for line in lines]
    dots: tuple[str, ...] = ("...", "…")
    if flavor is Flavor.DCLM:
        dots = (*dots, ". . .")
    if flavor is Flavor.DOLMA:
        dots = ("…",)
    sizes = [len(line) for line in lines]
    flat = len(text.replace("\n", "")) if flavor is Flavor.DATATROVE else sum(sizes)
    return {
        "lines": len(lines),
        "paragraphs": len(parts),
        "bullet_line_share": ratio(
            sum(line.startswith(tuple(BULLETS[flavor])) for line in starts), len(lines)
        ),
        "ellipsis_line_share": ratio(sum(line.endswith(dots) for line in ends), len(lines)),
        "duplicate_line_share": ratio(number, len(pieces)),
        "duplicate_line_character_share": ratio(chars, whole.get(flavor, size_of(pieces))),
        "duplicate_paragraph_share": ratio(part_number, len(parts)),
        "duplicate_paragraph_character_share": ratio(part_chars, whole.get(flavor, size_of(parts))),
        "long_lines": sum(size >= 200 for size in sizes),
        "terminal_punctuation_line_share": ratio(
            sum(is_terminal(line[-1]) for line in filled), len(filled)
        ),
        "short_line_share": ratio(sum(len(line) <= 30 for line in filled), len(filled)),
        "repeated_line_character_share": ratio(duplicates(filled, False)[1], flat),
        "mean_line_length": ratio(sum(sizes), len(lines)),
        "longest_line": max(sizes, default=0),
    }


def sentences(text: str) -> int:
    """Count the stretches between sentence ends that have a letter, mark, number or underscore."""
    found, holds = 0, False
    for char in text:
        if is_terminal(char):
            found, holds = found + holds, False
        else:
            holds = holds or category(char)[0] in "LMN" or char == "_"
    return found + holds


def rule_figures(text: str, options: TextOptions) -> Values:
    """Return the figures of the line rules of C4 and RefinedWeb."""
    kept = num_sentences = javascript = policy = bad = filled = 0
    for piece in text.split("\n"):
        line = piece.strip()
        if not line:
            continue
        filled += 1
        words = split_words(piece, options.flavor)
        bad += len(words) * is_bad_line(line, len(words))
        folded = line.translate(ASCII_LOWER)
        javascript += (script := "javascript" in folded)
        policy += (terms := any(phrase in folded for phrase in POLICIES))
        clean = CITATION.sub("", line)
        if script or terms or len(words) < options.c4_min_line_words:
            continue
        if any(len(word) > 1000 for word in words):
            continue
        if options.c4_terminal_punctuation and (
            not clean.endswith((".", "?", "!", '"', "'")) or clean.endswith("...")
        ):
            continue
        kept += 1
        num_sentences += sentences(clean)
    return {
        "c4_lines": kept,
        "c4_line_share": ratio(kept, filled),
        "c4_sentences": num_sentences,
        "javascript_lines": javascript,
        "policy_lines": policy,
        "lorem_ipsum": "lorem ipsum" in text.translate(ASCII_LOWER),
        "curly_bracket": "{" in text,
        "bad_line_words": bad,
    }


def is_bad_line(line: str, num_words: int) -> bool:
    """Tell whether RefinedWeb's rules drop a line."""
    folded = line.translate(ASCII_LOWER)
    if num_words < 2 or 2 * sum(category(char) == "Lu" for char in line) > len(line):
        return True
    if all(category(char) == "Nd" for char in line):
        return True
    if num_words > 10:
        return False
    if COUNTER_LINE.fullmatch(line) or folded.startswith("sign-in"):
        return True
    return folded.endswith("read more...") or "items in cart" in folded


def is_symbol(word: str) -> bool:
    """Tell whether a word is an ellipsis, or mostly # signs: NeMo's."""
    framed = (word[0], word[-1]) in (("(", ")"), ("[", "]"))
    bare = word[1:-1] if framed else word
    return 2 * word.count("#") > len(word) or bare in ("...", "…")


def symbol_figures(text: str, words: list[str], flavor: Flavor) -> Values:
    """Return the figures about # signs and ellipses."""
    if flavor in (Flavor.DOLMA, Flavor.NEMO):
        hashes = sum("#" in word for word in words)
        ellipses = sum("…" in word for word in words)
        symbols = sum("#" in word or "…" in word for word in words)
        if flavor is Flavor.NEMO:
            symbols = sum(map(is_symbol, words))
    else:
        hashes = text.count("#")
        ellipses = text.count("...") + text.count("…")
        ellipses += text.count(". . .") if flavor is Flavor.DCLM else 0
        symbols = hashes + ellipses
    return {
        "hash_word_ratio": ratio(hashes, len(words)),
        "ellipsis_word_ratio": ratio(ellipses, len(words)),
        "symbol_word_ratio": ratio(symbols, len(words)),
    }


def is_capitals(word: str) -> bool:
    """Tell whether a word has capitals and no small letters."""
    kinds = {category(char) for char in word}
    return "Lu" in kinds and not kinds & {"Ll", "Lt"}


def word_figures(text: str, options: TextOptions) -> Values:
    """Return the figures about words."""
    flavor = options.flavor
    words = split_words(text, flavor)
    equal = [lower(word) for word in words] if flavor is Flavor.RPV2 else words
    wordy = words
    if flavor is Flavor.DATATROVE:
        wordy = [word for word in words if not all(map(_is_empty, word))]
    folds = flavor in (Flavor.DCLM, Flavor.RPV2)
    stops = {lower(word) if folds else word for word in options.stop_words}
    stopped = [word for word in ([lower(w) for w in words] if folds else words) if word in stops]
    counts = Counter(equal)
    terms = [n / len(words) * math.log(n / len(words)) for n in counts.values()]
    small = [lower(word) for word in words]
    phrases = {tuple(split_words(lower(phrase), flavor)) for phrase in options.bad_words} - {()}
    ten = Counter(grams(equal, 10))
    return {
        "words": len(wordy),
        "mean_word_length": ratio(size_of(wordy), len(wordy)),
        "median_word_length": median(map(len, words)) if words else None,
        "longest_word": max(map(len, words), default=0),
        "alphabetic_word_share": ratio(
            sum(any(category(char)[0] == "L" for char in word) for word in words), len(words)
        ),
        "stop_words": len(set(stopped)) if flavor is Flavor.DATATROVE else len(stopped),
        "stop_word_share": ratio(len(stopped), len(words)),
        "unique_word_share": ratio(len(counts), len(words)),
        "capitals_word_share": ratio(sum(map(is_capitals, words)), len(words)),
        "unigram_entropy": -sum(terms) if words else None,
        "bad_words": sum(
            tuple(small[at : at + len(phrase)]) == phrase
            for phrase in phrases
            for at in range(len(small))
        ),
        "word_repetition": ratio(sum(n for n in ten.values() if n > 1), max(len(words) - 9, 0)),
        **{
            f"top_{size}gram_character_share": top_share(text, equal, size, flavor)
            for size in (2, 3, 4)
        },
        **{
            f"duplicate_{size}gram_character_share": repeated_share(text, equal, size, flavor)
            for size in range(5, 11)
        },
        **symbol_figures(text, words, flavor),
    }


def _is_empty(char: str) -> bool:
    return is_punctuation(char) or category(char) == "Cc" or is_terminal(char)


def character_figures(text: str) -> Values:
    """Return the figures about characters."""
    kinds = Counter(category(char) for char in text)
    letters = sum(n for kind, n in kinds.items() if kind[0] == "L")
    numbers = sum(n for kind, n in kinds.items() if kind[0] == "N")
    marks = sum(n for kind, n in kinds.items() if kind[0] == "M")
    parts = {
        "upper_case_share": kinds["Lu"],
        "digit_share": kinds["Nd"],
        "whitespace_share": sum(char.isspace() for char in text),
        "punctuation_share": sum(map(is_punctuation, text)),
        "alphabetic_share": letters,
        "alphanumeric_share": letters + numbers,
        "non_alphanumeric_share": len(text) - letters - numbers,
        "special_character_share": len(text) - letters - marks,
        "non_ascii_share": sum(not char.isascii() for char in text),
        "cjk_share": sum(bool(KINDS[ord(char)] & c.CJK) for char in text),
        "url_share": sum(len(url) for url in URL.findall(text)),
        "bracket_share": sum(char in "()[]{}" for char in text),
        "curly_bracket_share": sum(char in "{}" for char in text),
    }
    run = longest = 0
    for at, char in enumerate(text):
        run = run + 1 if at and text[at - 1] == char else 1
        longest = max(longest, run)
    windows = Counter(text[at : at + 10] for at in range(len(text) - 9))
    often = sorted(windows.values(), reverse=True)
    repeated = sum(n > 1 for n in often)
    taken = min(int(math.sqrt(len(often))), repeated)
    return {
        "characters": len(text),
        "sentences": sentences(text),
        "longest_character_run": longest,
        "character_repetition": ratio(sum(often[:taken]), sum(often)),
        **{name: ratio(part, len(text)) for name, part in parts.items()},
    }


def reference(text: str, options: TextOptions) -> Values:
    """Return every text signal of one text."""
    words = split_words(text, options.flavor)
    rules = rule_figures(text, options)
    bad = rules.pop("bad_line_words")
    return {
        **character_figures(text),
        **word_figures(text, options),
        **line_figures(text, words, options),
        **rules,
        "bad_line_word_share": ratio(bad, len(words)),
        "newline_word_ratio": ratio(text.count("\n"), len(words)),
    }
