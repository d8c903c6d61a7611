"""Where rendered plates and takes of Resolve's shots lie, and what was sent. Files only; nothing of Resolve."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from .ranges import Range, SourceFrame
from .refusal import Refusal
from .sequence import safe_name
from .tags import Tag, parse_tag

__all__ = ["LANDED", "SENT", "Sent", "Workplace", "default_folder"]

SENT, LANDED = "sent", "landed"
_FOLDER = "SECONDTAKE_RESOLVE_FOLDER"
_RECORD, _FORM = "sent.json", ".last.json"


@dataclass(frozen=True)
class Sent:
    """A fix that was sent, with all that is needed to bring it back."""

    tag: Tag
    project: str
    """The project's id."""
    folder: str
    """Of the job: the rendered plate, the matte, the take."""
    frames: Range[SourceFrame]
    """The plate's numbers of the frames that show."""
    rate: float
    instruction: str = ""
    read_as: Mapping[str, str] = field(default_factory=dict)
    """See `FixPlan`."""
    state: str = SENT

    @property
    def out(self) -> str:
        """Where the daemon puts the take."""
        return str(Path(self.folder) / "take")


class Workplace:
    """A folder of ours. Not one of the system's temporary folders: Resolve does not write there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def job_folder(self, *, project: str, shot: str, job: str) -> Path:
        """The folder for a job. Not made yet."""
        return self.folder / safe_name(project, otherwise="project") / safe_name(shot) / job

    def keep(self, sent: Sent) -> None:
        """Write what was sent, whole or not at all. Raises Refusal."""
        path = Path(sent.folder) / _RECORD
        said = {
            "tag": sent.tag.text(), "project": sent.project, "frames": [sent.frames.start, sent.frames.end],
            "rate": sent.rate, "instruction": sent.instruction, "read_as": dict(sent.read_as), "state": sent.state,
        }  # fmt: skip
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half_made = path.with_suffix(".part")
            half_made.write_text(json.dumps(said), encoding="utf-8")
            half_made.replace(path)
        except OSError as error:
            raise Refusal(
                f"The folder of Second Take cannot be written ({error.strerror})", remedy="Make room or choose another",
                path=str(path.parent),
            ) from error  # fmt: skip

    def landed(self, sent: Sent, *, take: str) -> None:
        """Remember that it was brought back."""
        self.keep(replace(sent, state=LANDED, tag=replace(sent.tag, take=take)))

    def forget(self, sent: Sent) -> None:
        """It will never come; what was rendered for it may be looked at still."""
        with suppress(OSError):
            (Path(sent.folder) / _RECORD).unlink()

    def lock_file(self, project: str) -> Path:
        """For one fix at a time in a project."""
        return self.folder / f".{safe_name(project)}.lock"

    def last_form(self) -> dict[str, str]:
        """What was filled in last time."""
        try:
            said = json.loads((self.folder / _FORM).read_text(encoding="utf-8"))
            return {str(key): str(value) for key, value in said.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def keep_form(self, values: Mapping[str, str]) -> None:
        """For the next time; it does not matter if it cannot be kept."""
        with suppress(OSError):
            (self.folder / _FORM).write_text(json.dumps(dict(values)), encoding="utf-8")

    def waiting(self, project: str) -> tuple[Sent, ...]:
        """What was sent from a project and was not brought back, oldest first."""
        found = []
        for path in self.folder.glob(f"*/*/*/{_RECORD}"):
            sent = _read(path)
            if sent is not None and sent.project == project and sent.state == SENT:
                found.append((path.stat().st_mtime, sent))
        return tuple(sent for _, sent in sorted(found, key=lambda each: (each[0], each[1].tag.job)))


def default_folder() -> Path:
    """$SECONDTAKE_RESOLVE_FOLDER, else `Second Take` among the user's movies."""
    asked = os.environ.get(_FOLDER, "")
    if asked:
        return Path(asked).expanduser().resolve()
    return Path.home() / ("Movies" if sys.platform == "darwin" else "Videos") / "Second Take"


def _read(path: Path) -> Sent | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        tag = parse_tag(said["tag"])
        start, end = said["frames"]
        return (
            None
            if tag is None
            else Sent(
                tag=tag,
                project=str(said["project"]),
                folder=str(path.parent),
                frames=Range(SourceFrame(int(start)), SourceFrame(int(end))),
                rate=float(said["rate"]),
                instruction=str(said["instruction"]),
                read_as={str(name): str(value) for name, value in said["read_as"].items()},
                state=str(said["state"]),
            )
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
