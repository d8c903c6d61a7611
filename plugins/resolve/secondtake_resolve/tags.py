"""What is written on our own clips, so that they are found again: JSON in customData and in metadata. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from .clip import ClipId, Route
from .ranges import AbsoluteFrame, Range

__all__ = ["METADATA_KEY", "Tag", "parse_tag"]

METADATA_KEY = "secondtake.take"
_MARK = "secondtake"
_VERSION = 1


@dataclass(frozen=True)
class Tag:
    """Whose take a clip is."""

    shot: str
    take: str
    job: str
    route: Route
    target: ClipId
    """The clip that was fixed, as it was when it was sent."""
    made_track: bool = False
    """The track was made for it."""

    def text(self) -> str:
        """For customData."""
        return json.dumps({_MARK: _VERSION, **asdict(self)}, sort_keys=True, separators=(",", ":"))


def parse_tag(text: str) -> Tag | None:
    """The tag in a text that anybody may have written; None if it is none of ours."""
    try:
        said = json.loads(text)
        if said[_MARK] != _VERSION:
            return None
        target = said["target"]
        record = Range(AbsoluteFrame(int(target["record"]["start"])), AbsoluteFrame(int(target["record"]["end"])))
        return Tag(
            shot=str(said["shot"]),
            take=str(said["take"]),
            job=str(said["job"]),
            route=Route(said["route"]),
            target=ClipId(
                timeline=str(target["timeline"]),
                item=str(target["item"]),
                media=str(target["media"]),
                record=record,
                offset=int(target["offset"]),
                track=int(target["track"]),
            ),
            made_track=bool(said["made_track"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
