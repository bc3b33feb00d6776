"""The README cannot rot: what it says is what the program does."""

from __future__ import annotations

import re

import pytest

from tests.contracts.readme import ROOT, demo_block, leaks, parameters, section
from thresher.transforms.bands import choose_bands

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_parameters_is_the_parameters() -> None:
    assert section(README, "parameters") == parameters()


def test_the_tables_of_leaks_are_what_was_measured() -> None:
    assert section(README, "leaks") == leaks()


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows() -> None:
    assert section(README, "demo") == demo_block()


def test_the_stated_bands_are_the_chosen_ones() -> None:
    banding = choose_bands(0.7, 0.99)
    stated = f"{banding.bands} bands of {banding.rows} rows at 0.7: {banding.probability(0.7):.4f}"
    assert stated in README


def test_ci_runs_the_command_of_the_readme() -> None:
    commands = re.findall(r"^    (python3 -m venv .*)$", README, flags=re.MULTILINE)
    assert len(commands) == 2
    assert "thresher demo" in commands[0]
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_file_the_readme_names_is_there() -> None:
    for name in re.findall(r"`?((?:jobs|lib|cluster|tests|benchmarks)/[\w./-]+)", README):
        assert (ROOT / name).exists(), name
