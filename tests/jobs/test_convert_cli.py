"""`thresher convert` on the command line, and the smaller commands on what it has written."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.runs import Command, jsonl
from thresher.formats.names import FORMAT_NAMES, TRAINERS


def test_the_command_converts_and_says_what_was_lost(thresher: Command, tmp_path: Path) -> None:
    rows = [{"instruction": "a", "input": "i", "output": "b", "id": 1}]
    jsonl(tmp_path / "in.jsonl", rows)
    done = thresher("convert", tmp_path / "in.jsonl", "--to", "trl-sft", "--out", tmp_path / "out")
    assert done.code == 0
    assert "confidence 1.00" in done.out
    assert "extra column 'id'" in done.out


def test_the_help_names_every_export(thresher: Command) -> None:
    text = "".join(thresher("convert", "--help").out.split())
    assert all(name in text for name in (*TRAINERS, *FORMAT_NAMES))


def test_a_misspelt_export_is_a_configuration_error(thresher: Command, tmp_path: Path) -> None:
    failed = thresher("convert", "x", "--to", "trl-stf", "--out", tmp_path / "out")
    assert failed.code == 2
    assert "did you mean 'trl-sft'" in failed.err
