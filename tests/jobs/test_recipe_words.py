"""What the commands of recipes say, in the words of a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.jobs.recipes import run, write
from tests.jobs.runs import Command, jsonl
from thresher.errors import ConfigError, InputError, LimitError
from thresher_jobs.recipe import load_recipe
from thresher_jobs.recipe_advice import in_words_of

ROWS = [{"instruction": f"What is {n}?", "output": f"The number {n} it is"} for n in range(9)]


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        ("leave it out with --skip-unreadable", "leave it out with --set skip_unreadable=true"),
        ("raise --threshold, or --keep first", "raise STEP.threshold, or dedup.keep first"),
        ("name a count: --test 1", "name a count: --set parts.test=1"),
        ("pass --set group_prompts=false", "pass --set parts.group_prompts=false"),
        ("raise it with --set", "raise it with --set"),
        ("choose another --out", "choose another --out"),
        ("'thresher doctor --test 1' says it", "'thresher doctor --test 1' says it"),
        ("drop --id-column", "drop id_column"),
    ],
)
def test_advice_names_keys_where_jobs_have_flags(tmp_path: Path, remedy: str, said: str) -> None:
    steps = ["dedup", {"split": {"name": "parts"}}]
    recipe = load_recipe(str(write(tmp_path / "r.yaml", ["x"], steps)))
    assert in_words_of(recipe, remedy) == said
    assert in_words_of(recipe, said) == said


def test_a_run_advises_what_its_command_has(tmp_path: Path, thresher: Command) -> None:
    jsonl(tmp_path / "a.jsonl", ROWS)
    small = write(tmp_path / "s.yaml", [tmp_path / "a.jsonl"], [{"split": {"test": 0.01}}])
    with pytest.raises(LimitError, match=r"--set split.test=1\)"):
        run(small, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "status.json").read_text())["error"]["message"]
    assert "--set split.test=1" in told
    (tmp_path / "b.jsonl").write_text("")
    empty = write(tmp_path / "e.yaml", [tmp_path / "a.jsonl", tmp_path / "b.jsonl"], ["dedup"])
    for command in (("run", "--dry-run"), ("rebuild", "--store", tmp_path / "store")):
        code, _, err = thresher(command[0], empty, *command[1:])
        assert code == 3 and "leave it out with --set skip_unreadable=true" in err
    jsonl(tmp_path / "b.jsonl", [{"colour": 1}])
    with pytest.raises((ConfigError, InputError), match=r"format: beside the source's path\)"):
        run(empty, tmp_path / "other")
