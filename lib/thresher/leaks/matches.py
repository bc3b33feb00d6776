"""What is known of a match: one line for each row, segment and sub-item that was scored suspect or
worse, and the words that its columns use.
"""

from __future__ import annotations

import pyarrow as pa

VERDICTS = ("suspect", "contaminated")
SUSPECT, CONTAMINATED = range(len(VERDICTS))
# Strongest first: what a row or an item is called where matches differ.
MATCH_KINDS = (
    "exact",
    "near_verbatim",
    "templated",
    "paraphrase",
    "answer_only",
    "passage_only",
    "options_only",
)
ROLES = ("text", "system", "user", "assistant", "tool", "chosen", "rejected")  # of segments
# Roles whose text a model learns to write. Any other is what it is given, and `text` is both.
LABEL_ROLES = frozenset({"assistant", "chosen", "rejected", "completion", "response", "output"})
SIDES = ("input_only", "label_only", "input_and_label", "text")
SNIPPET_CHARACTERS = 300

MATCHES = pa.schema(
    [
        ("_row_id", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("segment", pa.int32()),  # number of the message or text in the row
        ("role", pa.string()),
        ("byte_start", pa.int64()),  # of the first matched token, in the segment's own text
        ("byte_end", pa.int64()),  # behind the last one
        ("benchmark", pa.string()),
        ("split", pa.string()),
        ("item_id", pa.string()),
        ("field", pa.string()),  # of the item: question, solution, ..., `turn 2` of later turns
        ("mode", pa.string()),  # the first rule that fired
        ("match_kind", pa.string()),
        ("verdict", pa.string()),
        ("tokens", pa.int32()),  # of the sub-item
        ("cover_5", pa.float64()),
        ("cover_8", pa.float64()),
        ("ngram_ratio", pa.float64()),
        ("longest", pa.int32()),
        ("lcs", pa.int32()),
        ("widf", pa.float64()),
        ("numbers", pa.string()),
        ("answer_found", pa.bool_()),
        ("train_snippet", pa.string()),
        ("eval_snippet", pa.string()),
    ]
)
