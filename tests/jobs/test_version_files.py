"""What changed in the files that a recipe's steps depend on is told by the night and by `diff`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.jobs.histories import History
from tests.jobs.recipes import write
from tests.jobs.runs import Command, jsonl
from thresher_jobs.rebuild import night_lines


def _items(path: Path, numbers: range) -> None:
    asked = "How many bushels of rye does the miller grind in {} days of the harvest"
    jsonl(path, [{"question": asked.format(n), "answer": f"It is {n}"} for n in numbers])


@pytest.mark.slow
def test_other_content_of_a_profile_a_phrase_list_or_a_benchmark_is_told(
    tmp_path: Path, thresher: Command
) -> None:
    profile, words, bench = (tmp_path / name for name in ("mine.yaml", "words.txt", "ev.jsonl"))
    rules: dict[str, Any] = {
        "text": "response",
        "groups": ["text", "chat", "phrases"],
        "phrases": {"mine": str(words)},
        "rules": {"short": {"signal": "response_words", "min": 2}},
    }
    profile.write_text(yaml.safe_dump(rules))
    words.write_text("sow the rye\n")
    _items(bench, range(10))
    history = History(tmp_path, 1, [])
    history.add(20)

    def recipe(*names: str) -> None:
        against = {"against": [f"{name}={bench}" for name in names]}
        steps = [{"decontaminate": against}, {"score": {"profile": str(profile)}}]
        history.recipe = write(tmp_path / "r.yaml", [history.inputs], steps)

    def night(**more: Any) -> list[str]:
        """Return what a night and `diff` both say of files."""
        before = history.version.number
        lines = night_lines(history.night(**more))
        told = [line.removeprefix("changed").strip() for line in lines if line[:7] == "changed"]
        diff = thresher("diff", history.store, before, before + 1).out.splitlines()
        assert all(line in diff for line in told)
        assert sum(line.startswith(("benchmark ", "files of step ")) for line in diff) == len(told)
        return told

    recipe("ev")
    assert not [line for line in night_lines(history.night()) if line.startswith("changed")]
    rules["rules"]["short"]["min"] = 8
    profile.write_text(yaml.safe_dump(rules))
    _items(bench, range(25))
    assert night() == ["benchmark ev: 10 -> 25 items", f"files of step score changed: {profile}"]
    words.write_text("reap the rye\n")
    _items(bench, range(100, 125))
    assert night() == [
        "benchmark ev: its content changed, 25 items as before",
        f"files of step score changed: {words}",
    ]
    os.utime(bench, (1, 1))
    assert night() == []
    recipe("ev", "other")
    assert night(new_settings=True) == ["benchmark other: new, 25 items"]
    recipe("other")
    assert night(new_settings=True) == ["benchmark ev: gone"]
