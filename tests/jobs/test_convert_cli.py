"""`thresher convert` on the command line, and the smaller commands on what it has written."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.jobs.converts import run
from tests.jobs.runs import Command, jsonl
from thresher.formats.names import FORMAT_NAMES, TRAINERS
from thresher.store import hash_file

PREFERENCE = {"prompt": "Name a grain", "chosen": "Barley", "rejected": "A brick"}


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Preferences written as judged answers: two rows of each, and one row that cannot be."""
    rows = [PREFERENCE, PREFERENCE | {"chosen": None}, b"{cut", PREFERENCE | {"prompt": "Another"}]
    jsonl(tmp_path / "in.jsonl", rows)
    run(tmp_path / "in.jsonl", tmp_path / "out", to="kto")
    return tmp_path / "out"


def test_the_command_converts_and_says_what_was_lost(thresher: Command, tmp_path: Path) -> None:
    rows = [{"instruction": "a", "input": "i", "output": "b", "id": 1}]
    jsonl(tmp_path / "in.jsonl", rows)
    done = thresher("convert", tmp_path / "in.jsonl", "--to", "trl-sft", "--out", tmp_path / "out")
    assert done.code == 0
    assert "confidence 1.00" in done.out
    assert "extra column 'id'" in done.out
    assert f"thresher explain {tmp_path / 'out'} ROW_ID" in done.out


def test_the_help_names_every_export(thresher: Command) -> None:
    text = "".join(thresher("convert", "--help").out.split())
    assert all(name in text for name in (*TRAINERS, *FORMAT_NAMES))


def test_a_misspelt_export_is_a_configuration_error(thresher: Command, tmp_path: Path) -> None:
    failed = thresher("convert", "x", "--to", "trl-stf", "--out", tmp_path / "out")
    assert failed.code == 2
    assert "did you mean 'trl-sft'" in failed.err


def test_verify_checks_hashes_and_rows_of_a_conversion(judged: Path, thresher: Command) -> None:
    code, out, err = thresher("verify", judged)
    assert code == 0, err
    assert "hashes as in the manifest" in out
    assert "4 in and 2 added = 4 kept, 0 removed, 2 quarantined" in out
    assert "added       2 checked" in out


def test_verify_finds_a_changed_byte_of_a_conversion(judged: Path, thresher: Command) -> None:
    part = judged / "data" / "part-00000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    assert thresher("verify", judged).code == 3


def test_verify_finds_an_added_row_that_is_made_of_nothing(judged: Path, thresher: Command) -> None:
    part = judged / "ledger" / "part-00000.parquet"
    table = pq.read_table(part)
    rows = table.to_pylist()
    rows[1]["matched_id"] = "in.jsonl:1"
    pq.write_table(table.from_pylist(rows, schema=table.schema), part)
    manifest = json.loads((judged / "manifest.json").read_bytes())
    for entry in manifest["files"]:
        if entry[0].startswith("ledger/"):
            entry[1:] = hash_file(part)
    (judged / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = thresher("verify", judged)
    assert code == 3
    assert "made of in.jsonl:1, which is not kept" in err


def test_explain_says_what_a_row_was_read_as_and_what_it_became(
    judged: Path, thresher: Command
) -> None:
    code, out, err = thresher("explain", judged, "in.jsonl:0")
    assert code == 0, err
    assert "row       in.jsonl:0  (row 0 of in.jsonl)" in out
    assert "verdict   kept\nread as   preference\nwritten   kto\n" in out
    assert "became    2 rows, this one and\n          in.jsonl:0#2\n" in out
    assert '"completion": "Barley"' in out


def test_explain_says_what_an_added_row_was_made_of(judged: Path, thresher: Command) -> None:
    code, out, err = thresher("explain", judged, "in.jsonl:3#2")
    assert code == 0, err
    assert "(row 3 of in.jsonl)" in out
    assert "verdict   kept, added" in out
    assert "made of   in.jsonl:3, which became 2 rows" in out
    assert '"completion": "A brick"' in out


def test_explain_shows_quarantined_rows_with_their_error(judged: Path, thresher: Command) -> None:
    _, out, _ = thresher("explain", judged, "in.jsonl:1")
    assert "verdict   quarantined" in out
    assert "error     column 'chosen' is null" in out
    assert '"rejected": "A brick"' in out
    _, out, _ = thresher("explain", judged, "in.jsonl:2")
    assert out.endswith("\n{cut\n")


def test_explain_says_by_which_rule_a_row_was_removed(thresher: Command, tmp_path: Path) -> None:
    rows = [{"prompt": "a", "completion": "b", "label": label} for label in (True, False)]
    jsonl(tmp_path / "in.jsonl", rows)
    run(tmp_path / "in.jsonl", tmp_path / "out", to="messages")
    code, out, err = thresher("explain", tmp_path / "out", "in.jsonl:1")
    assert code == 0, err
    assert "verdict   removed, undesirable" in out
    assert "because   the answer is judged bad" in out
    assert '"label": false' in out
    assert "added       none" in thresher("verify", tmp_path / "out").out


def test_an_id_that_conversion_did_not_see_is_told(judged: Path, thresher: Command) -> None:
    failed = thresher("explain", judged, "nope")
    assert failed.code == 2
    assert "ids look like in.jsonl:0, in.jsonl:0#2, in.jsonl:1" in failed.err


def test_explain_does_not_let_converted_text_steer_the_terminal(
    thresher: Command, tmp_path: Path
) -> None:
    jsonl(tmp_path / "in.jsonl", [{"instruction": "\x1b[2J", "output": "\u202eb"}, b"\x1b[2J{"])
    run(tmp_path / "in.jsonl", tmp_path / "out", to="messages")
    for row in range(2):
        _, out, _ = thresher("explain", tmp_path / "out", f"in.jsonl:{row}")
        assert out.replace("\n", "").isprintable()


def test_the_page_of_a_conversion_is_built_again(judged: Path, thresher: Command) -> None:
    before = (judged / "report.html").read_bytes()
    (judged / "report.html").unlink()
    assert thresher("report", judged).code == 0
    assert (judged / "report.html").read_bytes() == before
