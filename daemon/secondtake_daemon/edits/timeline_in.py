"""An edit from an OpenTimelineIO file: the clips of its first video track.

What is to change in a clip stands in its metadata under `secondtake`, or in a marker of that name — as metadata of the
marker, or as TOML in its comment — with the keys of a `[[shot]]`. A clip without either is played as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from secondtake.errors import BadInput
from secondtake.messages import Operation
from secondtake_daemon.edits.edit import Edit, EditShot, parse_rate
from secondtake_daemon.edits.otio import KEY, load_otio
from secondtake_daemon.edits.tables import NAME, Origin, ShotTable, reason, shot_from
from secondtake_daemon.images.sequences import find, is_pattern, shot_name

__all__ = ["read_timeline"]

_OUT = "takes"
_OURS = ("take", "manifest")
"""What we write into a clip's metadata besides the shot."""
_LISTED = re.compile(r"\[(\d+)-(\d+)\]")
"""`sh010.[1001-1048].exr`, as editors name image sequences."""
_HAS_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")


def read_timeline(file: Path, *, out: Path | None = None) -> Edit:
    """Read and check a timeline. file: absolute. Raises BadInput with the clip's name, also without the library."""
    library: Any = load_otio(file)
    try:
        # Not by its adapters: those run whatever plugins the environment names.
        timeline = library.core.deserialize_json_from_string(file.read_text(encoding="utf-8"))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BadInput(f"The timeline cannot be read ({why})", remedy="Check its name", path=file) from error
    except (library.exceptions.OTIOError, ValueError, KeyError) as error:
        raise BadInput("The file is no timeline, or damaged", remedy="Export it again", path=file) from error
    tracks = timeline.video_tracks() if isinstance(timeline, library.schema.Timeline) else []
    if not tracks:
        raise BadInput("The timeline has no video track", remedy="Export it again", path=file)
    noted = _plain_value(timeline.metadata).get(KEY, {})
    reader = _Reader(library, _rate(timeline, noted, file), file)
    reader.read(tracks[0])
    if len(tracks) > 1:
        reader.notes.append(f"Only the first of {len(tracks)} video tracks was taken.")
    sound = Path(noted["sound"]) if "sound" in noted else None
    if timeline.audio_tracks() and sound is None:
        reader.notes.append("The timeline's sound tracks were left out; what movies sound like themselves is heard.")
    return Edit(
        # Not the timeline's own name: it may be that of the edit it was cut from.
        name=file.stem if NAME.fullmatch(file.stem) else "edit",
        file=file,
        rate=reader.rate,
        out=out or Path(noted.get("out", file.parent / _OUT)),
        shots=reader.require_shots(),
        sound=sound,
        lists_frames=noted.get("timeline") == "listed",
        notes=tuple(reader.notes),
    )


class _Reader:
    """Goes along a track and gathers shots."""

    def __init__(self, library: Any, rate: Fraction, file: Path) -> None:  # noqa: ANN401 — it ships no types
        self._otio = library
        self._file = file
        self.rate = rate
        self._shots: list[EditShot] = []
        self._gap_frames = 0
        self.notes: list[str] = []

    def read(self, track: Any) -> None:  # noqa: ANN401
        """All items of a track, in order."""
        schema = self._otio.schema
        for item in track:
            if isinstance(item, schema.Transition):
                self.notes.append("A transition was taken as a cut.")
            elif isinstance(item, schema.Gap) or not getattr(item, "enabled", True):
                self._gap_frames += self._frames(item.trimmed_range().duration)
            elif isinstance(item, schema.Clip):
                self._shots.append(self._shot(item))
                self._gap_frames = 0
            else:
                what = f"The timeline holds a nested sequence, '{item.name}'"
                raise BadInput(what, remedy="Flatten it before the export", path=self._file)

    def require_shots(self) -> tuple[EditShot, ...]:
        """What was found. Raises BadInput if that is nothing."""
        if not self._shots:
            raise BadInput("The timeline has no clips", remedy="Export it again", path=self._file)
        return tuple(self._shots)

    def _shot(self, clip: Any) -> EditShot:  # noqa: ANN401
        origin = Origin(file=self._file, label=f"Clip '{(clip.name or '')[:100]}'")
        if clip.effects:
            self.notes.append(f"The effects on clip {clip.name} were left out.")
        said = _wishes(clip, origin)
        media, first = self._media(clip, origin)
        last = first + self._frames(clip.trimmed_range().duration) - 1
        plate = {} if said.get("operation") == Operation.GENERATE.value else {"plate": media}
        table = {**plate, **said, "name": self._free_name(clip.name or media)}
        if not ("take" in said and clip.trimmed_range() == clip.available_range()):  # else it is the shot as it was
            table["frames"] = f"{first}-{last}"
            table.pop("extend", None)
        table = {key: value for key, value in table.items() if key not in _OURS}
        try:
            checked = msgspec.convert(table, ShotTable)
        except msgspec.ValidationError as error:
            origin.refuse(*reason(error, ShotTable.__struct_fields__))
        return shot_from(checked, shared={}, colourspace="", rate=self.rate, origin=origin, gap_frames=self._gap_frames)

    def _media(self, clip: Any, origin: Origin) -> tuple[str, int]:  # noqa: ANN401
        """(plate, number of the first frame that plays)."""
        media, schema = clip.media_reference, self._otio.schema
        start = clip.trimmed_range().start_time
        begin = media.available_range.start_time if media.available_range is not None else None
        if isinstance(media, schema.ImageSequenceReference):
            if media.frame_step != 1:
                origin.refuse(f"it shows every {media.frame_step}. frame", "Play every frame of its media")
            return _pattern(media), media.start_frame + _offset(start, begin)
        if not isinstance(media, schema.ExternalReference):
            origin.refuse("it has no media, so there is no plate", "Relink it before the export")
        name = origin.absolute(_path(media.target_url))
        listed = _LISTED.search(name)
        if listed:
            name = f"{name[: listed.start()]}%0{len(listed[1])}d{name[listed.end() :]}"
        if listed or is_pattern(name):
            number = int(listed[1]) if listed else find(name).frames[0]
            return name, number + (_offset(start, begin) if begin is not None else 0)
        return name, 1 + _offset(start, begin)

    def _frames(self, time: Any) -> int:  # noqa: ANN401
        """A length in frames of the edit."""
        return round(float(time.value) * float(self.rate) / float(time.rate))

    def _free_name(self, name: str) -> str:
        """A name that can be a shot's and is not taken: editors give the halves of a cut clip one name."""
        wanted = name if NAME.fullmatch(name) else shot_name(name)
        taken = {shot.name for shot in self._shots}
        found, number = wanted, 2
        while found in taken:
            found, number = f"{wanted}-{number}", number + 1
        return found


def _wishes(clip: Any, origin: Origin) -> Mapping[str, Any]:  # noqa: ANN401
    """The clip's own table: of its metadata, else of its marker; empty if nobody said anything."""
    if KEY in clip.metadata:
        return _plain(clip.metadata[KEY], origin)
    for marker in clip.markers:
        if marker.name != KEY:
            continue
        if KEY in marker.metadata:
            return _plain(marker.metadata[KEY], origin)
        try:
            return _plain(msgspec.toml.decode(marker.comment or ""), origin)
        except msgspec.DecodeError as error:
            origin.refuse(f"the comment of its marker is no TOML ({error})", "Write it as the keys of a [[shot]]")
    return {}


def _plain(value: Any, origin: Origin) -> dict[str, Any]:  # noqa: ANN401
    """The library's dictionaries and lists as Python's own."""
    if not isinstance(value, Mapping) and not hasattr(value, "items"):
        origin.refuse(f"its metadata '{KEY}' is no table", "Write it as the keys of a [[shot]]")
    return {key: _plain_value(inner) for key, inner in value.items()}


def _plain_value(value: Any) -> Any:  # noqa: ANN401
    if hasattr(value, "items"):
        return {key: _plain_value(inner) for key, inner in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str | bytes):
        return [_plain_value(inner) for inner in value]
    return value


def _offset(start: Any, begin: Any) -> int:  # noqa: ANN401
    """Frames of the media between its begin (None: time 0) and where the clip starts, at the media's rate."""
    if begin is None:
        return round(float(start.value))
    return round(float((start - begin).rescaled_to(begin.rate).value))


def _pattern(media: Any) -> str:  # noqa: ANN401
    """The sequence's name, as `sequences` reads it."""
    base = media.target_url_base
    unquoted = unquote if _HAS_SCHEME.match(base) else str
    folder = _path(base)
    name = f"{unquoted(media.name_prefix)}%0{media.frame_zero_padding or 1}d{unquoted(media.name_suffix)}"
    return str(Path(folder) / name)


def _path(url: str) -> str:
    """A file URL, or a plain path, which editors write as well, as a path."""
    if not url.lower().startswith("file:"):
        return url
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    parts = urlsplit(url)
    host = f"//{parts.netloc}" if parts.netloc not in ("", "localhost") else ""
    return url2pathname(host + parts.path)


def _rate(timeline: Any, noted: Mapping[str, Any], file: Path) -> Fraction:  # noqa: ANN401
    """The edit's rate: as we noted it, else of the timeline's start, else of its first clip."""
    if "fps" in noted:
        return parse_rate(str(noted["fps"]), path=file)
    if timeline.global_start_time is not None:
        return parse_rate(timeline.global_start_time.rate, path=file)
    for item in timeline.video_tracks()[0]:
        if hasattr(item, "trimmed_range"):
            return parse_rate(item.trimmed_range().duration.rate, path=file)
    return Fraction(24)
