"""Phrase lists: every line counts, texts decide alone, a bad list is an error that says where."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.signals.phrase_probes import PROBES
from tests.signals.refusal_probes import HELPFUL, REFUSALS
from thresher.errors import ConfigError
from thresher.signals.phrases import PHRASES, load_phrases, match, match_all, parse_phrases

TEXTS = [text for hits, others in PROBES.values() for text in (*hits, *others)] + REFUSALS + HELPFUL


def test_every_list_is_probed() -> None:
    assert set(PHRASES) == {*PROBES, "refusals"}


@pytest.mark.parametrize("name", sorted(PROBES))
def test_probes_match_and_others_do_not(name: str) -> None:
    hits, others = PROBES[name]
    assert [text for text in hits if not match(name, pa.array([text]))[0]] == []
    assert [text for text in others if match(name, pa.array([text]))[0]] == []


@pytest.mark.parametrize("name", sorted(PROBES))
def test_every_line_has_a_probe_of_its_own(name: str) -> None:
    texts = pa.array(PROBES[name][0])
    for part in PHRASES[name].parts:
        for pattern in part.patterns:
            found = pc.match_substring_regex(texts, pattern, ignore_case=part.ignore_case)
            assert pc.any(found).as_py(), pattern


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PHRASES))
def test_lists_say_what_they_are(name: str) -> None:
    entry = PHRASES[name]
    assert (entry.name, entry.signal) == (name, name)
    assert entry.about.endswith(".") and len(entry.about) > 20
    assert pickle.loads(pickle.dumps(entry)) == entry


def test_an_unknown_list_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        PHRASES["../refusals"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("name", sorted(PHRASES))
def test_a_text_decides_alone_whatever_the_array(name: str, kind: pa.DataType) -> None:
    texts = pa.array([None, *TEXTS[::3], "", None], kind)
    flags = match(name, texts)
    assert flags.dtype == np.bool_ and not flags[0] and not flags[-1]
    assert list(match(name, texts[5:-3])) == list(flags[5:-3])
    assert list(match(name, pa.array([], kind))) == []
    assert list(match(name, pa.array([None, None], kind))) == [False, False]


@pytest.mark.slow
def test_texts_are_the_same_alone_and_together() -> None:
    texts = pa.array(TEXTS[::7])
    for name in ("refusals", "placeholders", "personal_data"):
        assert list(match(name, texts)) == [
            match(name, texts[i : i + 1])[0] for i in range(len(texts))
        ]


@pytest.mark.slow
def test_lists_together_give_what_each_gives() -> None:
    texts = pa.array([None, *TEXTS])
    own = parse_phrases(
        "# window: 5\nhello\n# window: none\n# needs: x\n# case: sensitive\nY", "own", ""
    )
    together = match_all([*PHRASES, own], texts)
    assert set(together) == {*PHRASES, "own"}
    for name, flags in together.items():
        assert list(flags) == list(match(own if name == "own" else name, texts)), name


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        " " * 1_000_000,
        "i am " * 200_000,
        "sorry, " * 140_000,
        "[" * 1_000_000,
        "1-2." * 250_000,
        "as an ai, i " * 80_000,
        "抱歉我" * 330_000,
        "@a." * 330_000,
        "\n" * 1_000_000,
        "\x00\ufffd" * 250_000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_a_megabyte_of_anything_takes_time_linear_in_it(text: str) -> None:
    texts = pa.array([text])
    match_all(list(PHRASES), pa.array(["warm"]))
    start = time.process_time()
    match_all(list(PHRASES), texts)
    assert time.process_time() - start < 10  # measured: 0.1 to 1 s


def _written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "mine.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_users_list_is_read(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        "\ufeff# scope: prompt\r\n# about: Talk of pets.\r\n# signal: pets\r\n\r\n"
        "pet := (?:cat|dog)\r\n\\b{{pet}}s?\\b\r\n# window: 5\r\nfish\r\n# case: sensitive\r\nBird",
    )
    pets = load_phrases(path, "my_pets")
    assert (pets.name, pets.signal, pets.scope, pets.about) == (
        "my_pets", "pets", "prompt", "Talk of pets.",
    )  # fmt: skip
    assert len(pets.patterns) == 3 and pets.window is None
    texts = pa.array(["Two DOGS", "catalogue", "fish!", "a big fish", "bird", "Bird", None])
    assert list(match(pets, texts)) == [True, False, True, False, False, True, False]


def test_a_plain_list_is_called_after_its_file(tmp_path: Path) -> None:
    plain = load_phrases(_written(tmp_path, "foo\n"))
    assert (plain.name, plain.signal, plain.scope) == ("mine", "mine", "answer")


@pytest.mark.slow
def test_many_phrases_are_tried_in_few_passes(tmp_path: Path) -> None:
    many = load_phrases(_written(tmp_path, "\n".join(f"phrase number {i}!" for i in range(3_000))))
    assert len(many.patterns) == 3_000
    assert sum(len(part.joined) for part in many.parts) < 20
    assert list(match(many, pa.array(["a phrase number 2999!", "phrase number 3000!"]))) == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"(a)\1", r"line 2: invalid escape sequence: \1"),
        ("(?<=a)b", "line 2: invalid perl operator: (?<="),
        ("a(?!b)", "line 2: invalid perl operator: (?!"),
        ("(?>a)", "line 2: "),
        ("[a", "line 2: missing ]"),
        ("(a", "line 2: missing )"),
        ("a**", "line 2: bad repetition operator"),
        ("a{1001}", "line 2: invalid repetition size"),
        ("((((a{10}){10}){10}){10}){10}", "line 2: invalid repetition size"),
        ("(" * 10_000 + "a" + ")*" * 10_000, "line 2: longer than 2,000 characters"),
        (r"(?:\pL{900}){1}" * 60, "line 2: pattern too large"),
        ("a*", "line 2: matches every text"),
        ("x|", "line 2: matches every text"),
        ("ok\nok", "line 3: repeats line 2"),
        ('"as an ai",', "line 2: looks like an item of code"),
        ("{{what}} now", "line 2: {{what}} is not defined above"),
        ("a := x\na := y", "line 3: a has been given a meaning before"),
        (
            "# scope: answers",
            "line 2: scope is 'answers', expected one of answer, prompt, turn, text",
        ),
        ("# window: 0", "line 2: window is '0'"),
        ("# window: " + "9" * 5_000, "line 2: window is '9"),
        ("# case: upper", "line 2: case is 'upper'"),
        ("# signal: a b", "line 2: signal is 'a b'"),
        ("# only a comment", "no pattern in the phrase list"),
    ],
    ids=lambda text: text[:24],
)
def test_a_bad_line_is_an_error_with_its_number_and_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = _written(tmp_path, "# mine\n" + text + "\n")
    with pytest.raises(ConfigError) as caught:
        load_phrases(path)
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_names_within_names_cannot_grow_without_end(tmp_path: Path) -> None:
    lines = ["a0 := lol"] + [f"a{i + 1} := " + f"{{{{a{i}}}}}" * 10 for i in range(12)]
    with pytest.raises(ConfigError, match="with its names filled in"):
        load_phrases(_written(tmp_path, "\n".join([*lines, "{{a12}}"])))


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"ok\n\xff\xfe", "line 2: not UTF-8"), (b"a" * (1 << 20) + b"b", "larger than 1 MiB")],
)
def test_a_file_that_is_no_list_is_an_error(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_phrases(_written(tmp_path, data))


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the phrase list: No such file"):
        load_phrases(tmp_path / "none.txt")
