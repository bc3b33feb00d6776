"""What the text signals are asked for: a flavor, stop words, bad words, the rules of C4.

Tools that cite the same paper compute different figures under one name; a flavor says whose:

| flavor | a word | equal words | lines | lines and paragraphs repeated | over |
|---|---|---|---|---|---|
| dclm | our words | same characters | stripped, not blank | all copies | all lines |
| rpv2 | our words | same lower case | as dclm | as dclm | as dclm |
| datatrove | whitespace | same characters | as they are | 2nd and later copies | the text |
| dolma | whitespace | same characters | as they are | all copies | the words |
| nemo | whitespace | same characters | stripped, not blank | 2nd and later copies | all lines |

| flavor | top n-gram | n-grams repeated |
|---|---|---|
| dclm | the most frequent, longest of equals, 0 if alone / words | words inside one, once / words |
| rpv2 | the most frequent, first of equals, 0 if alone / words | as dclm |
| datatrove | the first most frequent with spaces, even alone / text | greedy from the left / text |
| dolma | the first most frequent, even alone / words | its n-grams / all n-grams |
| nemo | the first most frequent, wherever the text has it / text | 2nd copies with spaces / text |

All lengths are in characters (code points). *Our words* are runs of letters, marks, numbers and
underscores; an apostrophe (' or ’) between two such characters does not part them; every letter of
a script written without spaces is a word. *Whitespace* words are what `str.split` gives. A line
ends at LF in every flavor; a CR is white space.

Other differences: `words` and `mean_word_length` leave pure punctuation out in datatrove;
`stop_words` counts distinct ones in datatrove, and lower-cases in dclm and rpv2; hash, ellipsis and
symbol ratios count words that have one in dolma and nemo, and occurrences elsewhere; a bullet is
one of `•-` (datatrove), `*-` (dolma), `●•*-` (dclm) or `●•*-‣▶◀◦■□▪▫–` (rpv2, nemo); an ellipsis at
the end of a line is `...` or `…`, in dclm `. . .` as well, in dolma `…` alone.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from thresher.params import Params

GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


class Flavor(StrEnum):
    """Whose definition of a figure is computed."""

    DCLM = "dclm"
    DATATROVE = "datatrove"
    DOLMA = "dolma"
    RPV2 = "rpv2"
    NEMO = "nemo"

    @property
    def whitespace(self) -> bool:
        """Whether words are what whitespace parts."""
        return self in (Flavor.DATATROVE, Flavor.DOLMA, Flavor.NEMO)


class TextOptions(Params):
    """Options of the text signals."""

    flavor: Flavor = Field(Flavor.DCLM, description="Whose definitions are computed.")
    stop_words: tuple[str, ...] = Field(
        GOPHER_STOP_WORDS, description="Words that every text of the language has."
    )
    bad_words: tuple[str, ...] = Field(
        (), description="Phrases counted as bad words, in any case; no list is bundled."
    )
    c4_terminal_punctuation: bool = Field(
        True, description="Whether C4 keeps only lines that end in . ? ! or a quotation mark."
    )
    c4_min_line_words: int = Field(
        3, ge=0, description="Words that C4 asks of a line: 3 in datatrove, 5 in the paper."
    )
