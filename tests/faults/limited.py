"""Runs the `thresher` command in a process of its own, under limits of the operating system.

    python -m tests.faults.limited FILE_BYTES ARGUMENT...

FILE_BYTES bounds the size of every file the process writes (0: no bound); a write beyond it fails
as it does on a full disk. The last line on standard error is the peak resident memory in bytes.
"""

from __future__ import annotations

import os
import resource
import sys

from thresher_jobs import cli


def main() -> None:
    """Set the limits and run the command."""
    size, *arguments = sys.argv[1:]
    if int(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    code = cli.run(arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(peak, file=sys.stderr, flush=True)
    os._exit(code)


if __name__ == "__main__":
    main()
