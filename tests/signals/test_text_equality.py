"""The text kernels equal the plain reference, whatever the text and however it is batched."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.signals.references import reference
from tests.text.samples import SAMPLES, texts
from thresher.signals.document import SIGNALS, text_signals
from thresher.signals.text_options import Flavor, TextOptions

DATA = Path(__file__).parents[3] / "shared" / "data"
BAD = ("dog", "the end", "Straße", "x-ray", "")
FLAVORS = list(Flavor)
WEB = [
    "\n",
    "\n\n",
    " \n \n",
    "....",
    ".....\n...…\n. . .\n. . . . .",
    "# ## ### a#b (...) […] [...] …",
    "Lorem IPSUM dolor {x} [1] [edit].",
    "It's the dog’s 'quoted' rock'n'roll o’ '' d''x 中'文 l’été",
    "Enable JavaScript please.\nWe use cookies here.\nPrivacy Policy\nTerms of use apply to you.",
    "One two three.[12]\nOne two three. [1]\nOne two..[3].[4]\nWhat is it?[edit][citation needed]",
    "Read it all [[1]].\nA b c...[1]\nA b [x].\nshort one.",
    "3.4K likes\n12 views\n1,200   Followers\n5 apples\nSign-in to see\nSee it, Read more...\n"
    "You have 3 items in cart now\nHOME ABOUT Us\n123\nword",
    "see http://a.b/c?d=e, HTTPS://x.y/zhttp://q and http:/no hhttp://ok https://\nhttp://end",
    "• one\n- two\n* three\n– four\n● five\n  • six\n-\n",
    "a b c d e f g h i j k l a b c d e f g h i j k l a b c d e f g h i j k l",
    "x " * 40 + "y " * 3,
    "same line here.\n" * 5 + "\nother\n\nsame line here.\n\n\nother\n\n",
    "a" * 1200 + " b c.\nd e f.",
    "=" * 130 + " " * 70 + "é" * 70,
    "word\x1fword\x85next\u2028line\u3000wide\xa0space\x00nul\r\ncr\r",
    "中文。日本語！ कुछ लिखा है। Ok? שָׁלוֹם",
    "THE the The tHE AND be To OF",
    "ab" * 3000,
    ("one two three four five six seven eight nine ten eleven twelve. " * 9 + "\n") * 3,
]


def same(name: str, found: Any, expected: Any) -> bool:
    """Compare values; an entropy may differ in its last digits."""
    if name == "unigram_entropy" and found is not None:
        return bool(abs(found - expected) <= 1e-9)
    return bool(found == expected)


def assert_equal(rows: list[str], options: TextOptions) -> None:
    """Compare all signals of texts with the reference."""
    found = text_signals(pa.array(rows, pa.string()), options)
    for at, text in enumerate(rows):
        expected = reference(text, options)
        assert found.keys() == expected.keys()
        wrong = {
            name: (found[name][at].as_py(), value)
            for name, value in expected.items()
            if not same(name, found[name][at].as_py(), value)
        }
        assert not wrong, (options.flavor, text[:300], wrong)


words = st.sampled_from(["the", "dog", "Dog", "end", "a", "b", "中", "été", "X", "12", "#", "..."])
gaps = st.sampled_from([" ", " ", " ", "\n", "\n\n", ". ", "' ", "'", "’", " . ", "[1]", " \t"])
phrases = st.lists(st.one_of(words, gaps), max_size=90).map("".join)
repeated = st.tuples(phrases, st.integers(1, 4)).map(lambda drawn: drawn[0] * drawn[1])


@pytest.mark.slow
@examples(50)
@given(st.lists(st.one_of(repeated, texts), max_size=4), st.sampled_from(FLAVORS), st.booleans())
def test_signals_equal_the_reference_on_any_text(
    rows: list[str], flavor: Flavor, strict: bool
) -> None:
    assert_equal(
        rows,
        TextOptions(
            flavor=flavor,
            bad_words=BAD,
            c4_terminal_punctuation=strict,
            c4_min_line_words=3 if strict else 1,
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("flavor", FLAVORS)
def test_signals_equal_the_reference_on_what_rules_look_for(flavor: Flavor) -> None:
    rows = [*WEB, *SAMPLES, " ".join(SAMPLES), "\n".join(WEB), "\n\n".join(WEB * 2)]
    for strict in (True, False):
        options = TextOptions(flavor=flavor, bad_words=BAD, c4_terminal_punctuation=strict)
        assert_equal(rows, options)


def real_texts() -> Iterator[str]:
    """Yield texts of web pages, instructions in two languages, code and stories."""
    if not DATA.exists():
        pytest.skip("no real data here")
    folder = DATA / "llamafactory_demos"
    for name in ("c4_demo", "alpaca_zh_demo", "v1_sft_demo"):
        for line in (folder / f"{name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            yield row["text"] if "text" in row else json.dumps(row, ensure_ascii=False, indent=1)
    with gzip.open(DATA / "alpaca52k" / "alpaca_en-00000.jsonl.gz", "rt") as stream:
        yield from (json.loads(line)["output"] for line in stream)


@pytest.mark.slow
@pytest.mark.parametrize("flavor", FLAVORS)
def test_signals_equal_the_reference_on_real_texts(flavor: Flavor) -> None:
    assert_equal(list(real_texts())[::211], TextOptions(flavor=flavor, bad_words=BAD))


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("flavor", FLAVORS)
def test_signals_equal_the_reference_on_many_real_texts(flavor: Flavor) -> None:
    assert_equal(list(real_texts())[::7], TextOptions(flavor=flavor))


def test_a_row_does_not_depend_on_its_batch() -> None:
    rows: list[str | None] = [*WEB, None, "", *SAMPLES]
    whole = pa.array(rows, pa.string())
    together = text_signals(whole)
    large = text_signals(whole.cast(pa.large_string()))
    sliced = text_signals(pa.concat_arrays([whole.slice(3), whole]).slice(len(rows) - 3))
    single = [text_signals(whole.slice(at, 1)) for at in range(len(rows))]
    for name, column in together.items():
        assert column.to_pylist() == [row[name][0].as_py() for row in single]
        assert column.equals(large[name])
        assert column.equals(sliced[name])


def test_the_columns_are_those_declared() -> None:
    for array in (pa.array([], pa.string()), pa.array([None], pa.large_string()), pa.array(["a"])):
        found = text_signals(array)
        assert list(found) == [signal.name for signal in SIGNALS]
        for signal in SIGNALS:
            assert found[signal.name].type == signal.kind.type
            assert len(found[signal.name]) == len(array)
    assert all(column[0].as_py() is None for column in text_signals(pa.array([None, "a"])).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["a" * 10_000_000, "a " * 2_000_000, "\n" * 1_000_000, "é" * 10**6]
)
def test_a_long_text_takes_linear_time(text: str) -> None:
    found = text_signals(pa.array([text]), TextOptions(flavor=Flavor.NEMO))
    assert found["characters"].to_pylist() == [len(text)]
