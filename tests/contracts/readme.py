"""What the README says that can be computed: the table of parameters and the output of the demo.

`python -m tests.contracts.readme` writes both into README.md; a test demands that they are there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic_core import PydanticUndefined

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


def main() -> None:
    """Write the generated sections."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for name, content in (("parameters", parameters()), ("demo", demo_block())):
        text = text.replace(section(text, name), content)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
