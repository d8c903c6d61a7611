"""A pattern that the shell spelt out: `secondtake fix sh010.*.exr` comes as one argument a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from secondtake.errors import UsageError

__all__ = ["spelt_out"]

_FRAME = re.compile(r"\d+(?=\D*$)")


def spelt_out(arguments: Sequence[str]) -> UsageError | None:
    """The error that says so, with the sequence's name as it should be written, if three files or more of one sequence
    are among the arguments."""
    patterns: dict[str, int] = {}
    for argument in arguments:
        name = Path(argument).name
        if _FRAME.search(name) and Path(argument).is_file():
            pattern = str(Path(argument).with_name(_FRAME.sub(lambda found: "#" * len(found[0]), name)))
            patterns[pattern] = patterns.get(pattern, 0) + 1
    for pattern, files in patterns.items():
        if files > 2:
            return UsageError(f"The shell made {files} names of one sequence", remedy="Write it so", path=pattern)
    return None
