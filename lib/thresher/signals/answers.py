"""What is wrong inside answers: cut off, empty code, restarted numbers, repetition.

Counts are of a row's answers that are to be learned; a share is that of the row's worst answer.

Shapes: R rows, A answers, T texts of answers and their reasoning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls, truth
from thresher.signals.dialogue import Dialogue, every_text
from thresher.signals.echoes import read_echoes
from thresher.signals.markup import read_markup
from thresher.signals.sentences import read_repeats
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import Spans, counted, flagged, largest, shared, spans, total
from thresher.signals.structure import character_counts
from thresher.signals.tools import begins_with_json
from thresher.text.kernel import allocating

Column = np.ndarray[Any, Any]
# A letter, digit, mark or opening sign cannot end a sentence; nor can a comma or a dash.
UNFINISHED = r"[\p{L}\p{N}\p{M},;:\-–—(\[{（，；：、「『【]$"
JSON_START = r'^\s*(?:\{\s*["}]|\[\s*[{\["\]\d-])'
RESTART = r"\n1\. [^2]*\n1\. "  # FastChat: a list whose numbers begin again at once
SHORT_TEXT = 200  # bytes: below, a compressed size says nothing

SIGNALS = tuple(
    Signal(name, kind, "chat", about)
    for name, kind, about in (
        ("unfinished_response", Kind.FLAG, "the response ends in a letter, digit, comma or colon"),
        ("response_ends_with_colon", Kind.FLAG, "the response ends in a colon"),
        ("unclosed_code_blocks", Kind.COUNT, "answers with a code fence that does not end"),
        ("unclosed_formulas", Kind.COUNT, r"answers with a displayed \[ or $$ that does not end"),
        ("unclosed_json", Kind.COUNT, "answers that begin as JSON and end inside it"),
        ("invalid_json", Kind.COUNT, "answers that begin as JSON and are none"),
        ("empty_code_blocks", Kind.COUNT, "code blocks that name a language and hold nothing"),
        ("code_blocks", Kind.COUNT, "code blocks of all answers"),
        ("restarted_lists", Kind.COUNT, "answers where a list's numbers begin again at 1"),
        ("digit_run", Kind.COUNT, "digits of the longest run of one digit in an answer"),
        ("response_chinese_share", Kind.SHARE, "Chinese characters of the response's characters"),
        ("prompt_chinese_share", Kind.SHARE, "Chinese characters of the prompt's characters"),
        ("repeated_paragraphs", Kind.COUNT, "copies of an answer's paragraph; fewer if a list"),
        (
            "repeated_sentences",
            Kind.COUNT,
            "copies of an answer's sentence; fewer if maths or list",
        ),
        ("sentence_run", Kind.COUNT, "copies of a sentence in a row; fewer if maths or list"),
        ("ngram_run", Kind.COUNT, "copies in a row of one run of 1 to 8 words"),
        ("ngram_run_words", Kind.COUNT, "words of the longest such row of copies"),
        ("compressed_share", Kind.SHARE, "bytes left when repeats are references, of 200 and more"),
        ("copied_share", Kind.SHARE, "the longest stretch said before, of an answer's bytes"),
    )
)


def answer_signals(talk: Dialogue) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS`."""
    texts, offsets = talk.answers.field("content"), talk.answers.offsets
    none = talk.answers.lengths == 0
    held = spans(texts)
    marks = read_markup(held)
    opened, wrong = _json(texts, held)
    unsaid = nulls(talk.response)
    tail = pc.utf8_slice_codeunits(pc.utf8_rtrim_whitespace(talk.response), -1)
    restarted = truth(pc.match_substring_regex(texts, RESTART))
    found = {
        "unfinished_response": flagged(truth(pc.match_substring_regex(tail, UNFINISHED)), unsaid),
        "response_ends_with_colon": flagged(_is_colon(tail), unsaid),
        "unclosed_code_blocks": counted(total(marks.open_fence, offsets), none),
        "unclosed_formulas": counted(total(marks.open_math, offsets), none),
        "unclosed_json": counted(total(opened, offsets), none),
        "invalid_json": counted(total(wrong, offsets), none),
        "empty_code_blocks": counted(total(marks.empty_blocks, offsets), none),
        "code_blocks": counted(total(marks.blocks, offsets), none),
        "restarted_lists": counted(total(restarted, offsets), none),
        "digit_run": counted(largest(marks.digit_run, offsets), none),
    }
    for name, text in (("response", talk.response), ("prompt", talk.prompt)):
        chinese = read_markup(spans(text)).chinese
        found[f"{name}_chinese_share"] = shared(chinese, character_counts(text))
    return found | _repetition(talk)


def _is_colon(tail: pa.Array) -> Column:
    return truth(pc.or_(pc.equal(tail, ":"), pc.equal(tail, "：")))


def ends_with_colon(texts: pa.Array) -> Column:
    """Mark texts whose last character, white space apart, is a colon."""
    return _is_colon(pc.utf8_slice_codeunits(pc.utf8_rtrim_whitespace(texts), -1))


def _repetition(talk: Dialogue) -> dict[str, pa.Array]:
    texts, offsets = every_text(talk.answers)
    none = np.diff(offsets) == 0
    held = spans(texts)
    echoes, repeats = read_echoes(held), read_repeats(held)
    sizes = held.lengths
    long = sizes >= SHORT_TEXT
    # Shares are compared as floats of the same two whole numbers, whatever batch they are in.
    kept = np.divide(echoes.copy_cost, sizes, out=np.ones(len(sizes)), where=long)
    copied = np.divide(echoes.longest_copy, sizes, out=np.zeros(len(sizes)), where=long)
    brief = none | (total(long, offsets) == 0)
    return {
        "repeated_paragraphs": counted(largest(repeats.paragraphs, offsets), none),
        "repeated_sentences": counted(largest(repeats.sentences, offsets), none),
        "sentence_run": counted(largest(repeats.sentence_run, offsets), none),
        "ngram_run": counted(largest(echoes.ngram_run, offsets), none),
        "ngram_run_words": counted(largest(echoes.ngram_run_words, offsets), none),
        "compressed_share": pa.array(-largest(-kept, offsets), mask=brief),
        "copied_share": pa.array(largest(copied, offsets), mask=brief),
    }


def _json(texts: pa.Array, held: Spans) -> tuple[Column, Column]:
    """(A,) answers that begin as JSON and end inside it, and those that begin so and are none."""
    opened, wrong = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    candidates = np.flatnonzero(truth(pc.match_substring_regex(texts, JSON_START)))
    for place in candidates.tolist():
        wrong[place] = not begins_with_json(texts[place].as_py())
    broken = np.flatnonzero(wrong)
    opened[broken] = _never_closed(held.data, held.starts[broken], held.ends[broken])
    return opened, wrong


@allocating
def _never_closed(data: Any, starts: Any, ends: Any) -> Any:
    """Tell which texts, read as JSON, end inside a string, a list or an object."""
    found = np.zeros(len(starts), np.bool_)
    for text in range(len(starts)):
        depth, quoted, closed = 0, False, False
        at = starts[text]
        while at < ends[text] and not closed:
            byte = data[at]
            if quoted:
                if byte == 92:
                    at += 1
                quoted = byte != 34
            elif byte == 34:
                quoted = True
            elif byte == 123 or byte == 91:
                depth += 1
            elif byte == 125 or byte == 93:
                depth -= 1
                closed = depth == 0
            at += 1
        found[text] = not closed
    return found
