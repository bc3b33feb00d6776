"""What the commands of recipes say, in the words of a recipe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.recipes import run, write
from tests.jobs.runs import Command, jsonl
from thresher.errors import ConfigError, InputError, LimitError
from thresher_jobs.recipe import load_recipe, typed_steps
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
    steps: list[dict[str, Any] | str] = ["dedup", {"split": {"name": "parts"}}]
    recipe = load_recipe(str(write(tmp_path / "r.yaml", ["x"], steps)))
    assert in_words_of(recipe, remedy) == said
    assert in_words_of(recipe, said) == said


def test_columns_that_only_a_conversion_makes_agree_name_it(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    parts = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in said]
    plain = jsonl(tmp_path / "a.jsonl", [{"messages": said}])
    other = jsonl(tmp_path / "b.jsonl", [{"messages": parts}])
    steps: list[dict[str, Any] | str] = ["dedup", {"convert": {"to": "trl-sft", "name": "form"}}]
    recipe = write(tmp_path / "r.yaml", [plain, other], steps)
    with pytest.raises(InputError, match=r"\(step form makes the columns agree: add --only form\)"):
        run(recipe, tmp_path / "out", only=["dedup"])
    assert run(recipe, tmp_path / "both", only=["dedup", "form"])["rows_in"] == 2


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


@pytest.mark.slow
def test_a_limit_advises_settings_of_the_step_that_passed_it(
    tmp_path: Path, thresher: Command
) -> None:
    jsonl(tmp_path / "a.jsonl", [{"text": f"the same words over and over {n}"} for n in range(40)])
    steps = [
        {"dedup": {"name": "first", "threshold": 0.9}},
        {"dedup": {"threshold": 0.3, "max_removed_fraction": 0.1}},
        {"score": {"max_removed_fraction": 0.1, "rules": {"r": {"signal": "words", "max": 1}}}},
    ]
    recipe = write(tmp_path / "r.yaml", [tmp_path / "a.jsonl"], steps, text_column="text")
    code, _, err = thresher("run", recipe, "--out", tmp_path / "out")
    assert code == 4 and "dedup.columns" in err and "dedup.threshold" in err
    assert "STEP" not in err
    raised = ("--set", "dedup.max_removed_fraction=1")
    code, _, err = thresher("run", recipe, "--out", tmp_path / "other", *raised)
    look = re.search(r"'thresher (run RECIPE .*?)'", err)
    assert code == 4 and look is not None
    said = {"RECIPE": str(recipe), "DIR": str(tmp_path / "looked-at")}
    assert thresher(*(said.get(word, word) for word in look[1].split())).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source: [x]\nsteps: [dedup]", "unknown setting 'source' (did you mean 'sources'?)"),
        ("sources: [x]\nstep: [dedup]", "unknown setting 'step' (did you mean 'steps'?)"),
        ("sources: [{pth: x}]\nsteps: [dedup]", "'sources.0.pth' (did you mean 'path'?)"),
        ("sources: [y, {path: x, nam: a}]\nsteps: [dedup]", "'sources.1.nam' (did you mean 'name'"),
        ("sources: x\nsteps: [dedup]", "a recipe has sources and steps, each a list"),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_was_meant(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_recipe(str(tmp_path / "r.yaml"))
    assert said in str(caught.value) and str(caught.value).startswith(str(tmp_path / "r.yaml"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("threshold=0.9", "did you mean 'dedup.threshold' or 'parts.threshold'?"),
        ("dedupp.threshold=0.9", "did you mean 'dedup.threshold'?"),
        ("split_byte=5", "did you mean 'split_bytes'?"),
        ("colour=1", "--set colour: no such setting (a setting of a step is NAME.KEY"),
        ("colour=1", "one of dedup, parts"),
    ],
)
def test_a_setting_that_is_not_there_is_told_with_the_steps(
    tmp_path: Path, setting: str, said: str
) -> None:
    recipe = write(tmp_path / "r.yaml", ["x"], ["dedup", {"split": {"name": "parts"}}])
    with pytest.raises(ConfigError) as caught:
        load_recipe(str(recipe), [setting])
    assert said in str(caught.value)
    with pytest.raises(ConfigError, match=r"step dedup: unknown setting 'treshold'"):
        typed_steps(load_recipe(str(recipe), ["dedup.treshold=1"]))


@pytest.mark.parametrize(
    ("weights", "mix", "message"),
    [
        ((1, 2), {"temperature": 2}, "weights and a temperature"),
        ((0, 0), {}, "all weights are 0"),
        ((1, None), {}, "has no weight, others have"),
        ((None, None), {"weights": {"b": 1}}, "'a.jsonl' has no weight"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused_by_a_dry_run(
    weights: tuple[int | None, ...],
    mix: dict[str, Any],
    message: str,
    tmp_path: Path,
    thresher: Command,
) -> None:
    paths = [str(jsonl(tmp_path / f"{name}.jsonl", [{"text": name}])) for name in "ab"]
    sources = [
        {"path": path} | ({} if weight is None else {"weight": weight})
        for path, weight in zip(paths, weights, strict=True)
    ]
    recipe = write(tmp_path / "r.yaml", sources, [{"mix": mix}], text_column="text")
    said = thresher("run", str(recipe), "--dry-run")
    assert said.code == 2 and message in said.err
