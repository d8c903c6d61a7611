"""The `secondtake` command: `python -m secondtake_daemon` is the same."""

from __future__ import annotations

import sys

from secondtake_daemon.cli.app import run

__all__ = ["main"]


def main() -> None:
    """Run the command line and end with its exit status."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
