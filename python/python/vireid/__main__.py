"""The command line: ``python -m vireid``, or ``vireid``."""

import signal
import sys

from . import _vireid


def main() -> int:
    # The program ends at Ctrl-C by itself; Python's handler would wait for Python code to run.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _vireid.program(["vireid", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
