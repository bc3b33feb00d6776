"""Runs the `thresher` command in a process of its own, under limits of the operating system.

    python -m tests.faults.limited FILE_BYTES ARGUMENT...

FILE_BYTES bounds the size of every file the process writes (0: no bound); a write beyond it fails
as it does on a full disk. The last line on standard error is the peak resident memory in bytes.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from thresher_jobs import cli


def main() -> None:
    """Set the limits and run the command."""
    size, *arguments = sys.argv[1:]
    if int(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    code = cli.run(arguments)
    print(peak(), file=sys.stderr, flush=True)
    os._exit(code)


def peak() -> int:
    """Return the peak resident memory of this program; getrusage would add that of the process it
    was forked from."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
