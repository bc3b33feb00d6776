"""What the README says that can be computed: the table of parameters, what leaks are found, and the
output of the demo.

`python -m tests.contracts.readme` writes all into README.md (with names, only those); a test
demands that they are there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from thresher.report import figures
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.read_params import ReadParams

ROOT = Path(__file__).parents[2]


def parameters() -> str:
    """Return the table of `DedupParams`."""
    lines = ["| parameter | default | what it does |", "|---|---|---|"]
    fields = sorted(DedupParams.model_fields.items(), key=lambda f: f[0] in ReadParams.model_fields)
    for name, field in fields:
        default = "" if field.default is PydanticUndefined else _shown(field.default)
        lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if value in (None, ()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def leaks() -> str:
    """Return what `benchmarks/leak_recall.py` has measured, as tables."""
    path = ROOT / "benchmarks" / "results" / "leak_recall.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    recall, sets = found["recall"], found["sets"]
    presets = list(recall)
    default = recall[presets[0]]
    edits = [
        [f"{kind} ({counts['of']:,})", *(_found(recall[preset][kind]) for preset in presets)]
        for kind, counts in default.items()
    ]
    lengths = [
        [kind, *(_share(band[0], band[2]) for band in counts["by_length"].values())]
        for kind, counts in default.items()
    ]
    shares: dict[bool, list[list[str]]] = {True: [], False: []}
    for name, by_preset in sets.items():
        for number, one in enumerate(by_preset[presets[0]]):
            cells = [by_preset[preset][number] for preset in presets]
            shares[one["right"]].append(
                [
                    f"{name}: {one['what']} ({one['of']:,})",
                    *(
                        _share(cell["found"], cell["of"], 1 if one["right"] else 2)
                        for cell in cells
                    ),
                ]
            )
    return "\n\n".join(
        [
            _table(["edit (items), % found", *presets], edits),
            _table(["to be found, %", *presets], shares[True]),
            _table(["not to be found, %", *presets], shares[False]),
            _table(
                ["default, % found by tokens of the question", *default["verbatim"]["by_length"]],
                lengths,
            ),
            _suspects(default),
        ]
    )


def _suspects(default: dict[str, Any]) -> str:
    """Say how much of what is not called leaked is suspect at least."""
    told = [
        f"{figures.share(default[kind]['leaked_or_suspect'], default[kind]['of'], 0)} of the items "
        f"with {what}"
        for kind, what in (
            ("20 % of words", "20 % of their words changed"),
            ("other numbers", "other numbers, which are templates of another problem,"),
        )
    ]
    return f"At least suspect, and so in the report, are {' and '.join(told)} by default."


def _found(counts: dict[str, Any]) -> str:
    return _share(counts["leaked"], counts["of"])


def _share(part: int, whole: int, digits: int = 0) -> str:
    return figures.share(part, whole, digits).removesuffix(" %")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def demo() -> str:
    """Run the demo in an empty folder and return what it prints, times left out."""
    with tempfile.TemporaryDirectory() as folder:
        finished = subprocess.run(
            [sys.executable, "-m", "thresher_jobs.cli", "demo"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
    kept = [line for line in finished.stdout.splitlines() if not line.startswith("time ")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def section(text: str, name: str) -> str:
    """Return what stands between the markers of one generated section."""
    return text.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]


def demo_block() -> str:
    """Return the demo's section as it has to stand in the README."""
    return f"```\n$ thresher demo\n{demo()}\n```"


SECTIONS: dict[str, Callable[[], str]] = {
    "parameters": parameters,
    "leaks": leaks,
    "demo": demo_block,
}


def main() -> None:
    """Write the generated sections."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for name in sys.argv[1:] or SECTIONS:
        text = text.replace(section(text, name), SECTIONS[name]())
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
