"""Hold a transcript of a real Resolve against the stand-in's: `python tests/resolve/compare.py TRANSCRIPT`.

Of each call that both have, in their order, the kinds of the answers are compared: not the ids and times in them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "plugins" / "resolve")]


def differences(real: Path, ours: Path) -> list[str]:
    """A line for each answer of another kind."""
    answers = [_answers(path) for path in (real, ours)]
    return [
        f"{call}: Resolve answered {there}, the stand-in {here}"
        for call in sorted(set(answers[0]) & set(answers[1]))
        for there, here in zip(answers[0][call], answers[1][call], strict=False)
        if there != here
    ]


def stand_in_transcript(folder: Path) -> Path:
    """What the stand-in answers to the same questions."""
    import stubs
    from standin.world import World

    import smoke

    world = World(stubs.write(folder / "stubs"))
    world.project.name = smoke.PROJECT
    return smoke.main({"resolve": world.resolve}, folder=folder / "smoke") / "transcript.jsonl"


def _answers(path: Path) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        found[said["call"]].append(_kind(said["answer"]))
    return found


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"a table of {len(value)}"
    if isinstance(value, list):
        return f"[{', '.join(sorted({_kind(each) for each in value}))}]"
    return repr(value) if value is None or isinstance(value, bool) or value == "<object>" else type(value).__name__


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(*differences(Path(sys.argv[1]), stand_in_transcript(Path(scratch))), sep="\n")
