"""What the text kernels look up, made once from the options: tables, stop words, bad phrases."""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thresher.signals.characters import kinds
from thresher.signals.lines import BULLETS, LineRules
from thresher.signals.text_options import Flavor, TextOptions
from thresher.signals.words import ENTROPY_UNIT, NUM_TERMS, Lexicon
from thresher.text.digests import KEEP, hash_word
from thresher.text.kernel import kernel
from thresher.text.scratch import address
from thresher.text.tables import CLASS_MASK, CLASS_RUN, CLASS_SEP, CLASS_UNSPACED, load_tables

_FLAVORS = (Flavor.DCLM, Flavor.DATATROVE, Flavor.DOLMA, Flavor.RPV2, Flavor.NEMO)
_APOSTROPHES = "'’"


class Lookup(NamedTuple):
    """Addresses for the kernels, and the arrays that must outlive them."""

    lexicon: Lexicon
    rules: LineRules
    arrays: tuple[npt.NDArray[Any], ...]


@kernel
def _hash(text: Any, length: Any, keep: Any) -> Any:
    return hash_word(text, length, keep + 16)


def word_hash(word: str) -> int:
    """Return the hash that kernels know a word by."""
    data = np.frombuffer(word.encode() + bytes(32), np.uint8)
    keep = KEEP.copy()
    return int(_hash(address(data), len(word.encode()), address(keep))[0])


def lower(text: str) -> str:
    """Return `text` in lower case, code point by code point."""
    table = load_tables().lower
    return "".join(chr(table[ord(char)]) for char in text)


def split_words(text: str, flavor: Flavor) -> list[str]:
    """Return the words of a short text; slow, for options."""
    if flavor.whitespace:
        return text.split()
    info = load_tables().info
    classes = [int(info[ord(char)]) & CLASS_MASK for char in text]
    words: list[str] = []
    kind = CLASS_SEP
    for at, (char, char_class) in enumerate(zip(text, classes, strict=True)):
        if char in _APOSTROPHES and kind == CLASS_RUN and at + 1 < len(text):
            joins = classes[at + 1] not in (CLASS_SEP, CLASS_UNSPACED)
            char_class = CLASS_RUN if joins else CLASS_SEP
        if char_class == CLASS_SEP:
            kind = CLASS_SEP
        elif char_class == CLASS_UNSPACED or kind == CLASS_SEP:
            kind = CLASS_UNSPACED if char_class == CLASS_UNSPACED else CLASS_RUN
            words.append(char)
        elif char_class == CLASS_RUN and kind == CLASS_UNSPACED:
            kind = CLASS_RUN
            words.append(char)
        else:
            words[-1] += char
    return words


def make_lookup(options: TextOptions) -> Lookup:
    """Hash the words of the options and put the tables beside them."""
    flavor = options.flavor
    folded = flavor in (Flavor.DCLM, Flavor.RPV2)
    stops = {lower(word) if folded else word for word in options.stop_words if word}
    stop_hashes = np.array(sorted(word_hash(word) for word in stops), np.uint64)
    phrases = [split_words(lower(phrase), flavor) for phrase in options.bad_words]
    phrases = [phrase for phrase in dict.fromkeys(map(tuple, phrases)) if phrase]  # type: ignore[misc]
    bad = np.array([word_hash(word) for phrase in phrases for word in phrase], np.uint64)
    bad_starts = np.cumsum([0, *map(len, phrases)], dtype=np.int64)
    terms = np.array(
        [0] + [round(n * log(n) * ENTROPY_UNIT) for n in range(1, NUM_TERMS)], np.int64
    )
    bullets = np.array([ord(char) for char in BULLETS[flavor]], np.int32)
    table, lowered = kinds(flavor.whitespace), load_tables().lower
    lexicon = Lexicon(
        kinds=address(table),
        lower=address(lowered),
        whitespace=int(flavor.whitespace),
        folded=int(flavor is Flavor.RPV2),
        folded_stops=int(folded),
        any_symbol=int(flavor is Flavor.DOLMA),
        stops=address(stop_hashes),
        num_stops=len(stop_hashes),
        stop_filter=np.bitwise_or.reduce(np.uint64(1) << (stop_hashes & np.uint64(63))),
        terms=address(terms),
        bad_starts=address(bad_starts),
        bad=address(bad),
        num_bad=len(phrases),
    )
    rules = LineRules(
        flavor=_FLAVORS.index(flavor),
        kinds=address(table),
        bullets=address(bullets),
        num_bullets=len(bullets),
        c4_terminal=int(options.c4_terminal_punctuation),
        c4_min_words=options.c4_min_line_words,
    )
    return Lookup(lexicon, rules, (table, lowered, stop_hashes, bad, bad_starts, terms, bullets))
