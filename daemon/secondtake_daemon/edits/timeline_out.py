"""Cuts as an OpenTimelineIO file: one video track of image sequences, one audio track if there is sound.

Each clip's metadata holds its shot as an edit file would have it, and the id of its take: a timeline that was cut again
elsewhere can be given to `run` once more, and goes back to the plates.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import msgspec

from secondtake_daemon.edits.cuts import Cut, movie_facts
from secondtake_daemon.edits.edit import Edit, EditShot
from secondtake_daemon.edits.otio import KEY, load_otio
from secondtake_daemon.edits.sound import has_sound, sound_seconds
from secondtake_daemon.edits.tables import ReferenceTable, ShotTable
from secondtake_daemon.images.sequences import Sequence, find
from secondtake_daemon.store.io import replace_bytes

__all__ = ["write_timeline"]


def write_timeline(edit: Edit, cuts: tuple[Cut, ...], path: Path) -> None:
    """Write the timeline, whole or not at all. Raises BadInput without the library, DiskError."""
    text: str = _Maker(load_otio(path), edit).timeline(edit, cuts).to_json_string(indent=2)
    replace_bytes(path, text.encode("utf-8") + b"\n")


class _Maker:
    """Makes the library's objects. Times are frame numbers at the edit's rate, as editors show image sequences."""

    def __init__(self, library: ModuleType, edit: Edit) -> None:
        self._otio: Any = library  # it ships no types
        self._rate = float(edit.rate)
        self._lists_frames = edit.lists_frames

    def timeline(self, edit: Edit, cuts: tuple[Cut, ...]) -> Any:  # noqa: ANN401 — the library's
        schema = self._otio.schema
        timeline = schema.Timeline(edit.name)
        noted = {"edit": str(edit.file), "fps": str(edit.rate), "out": str(edit.out)}
        noted |= {"timeline": "listed"} if edit.lists_frames else {}
        timeline.metadata[KEY] = noted | ({"sound": str(edit.sound)} if edit.sound is not None else {})
        video = schema.Track("V1", kind=schema.TrackKind.Video)
        for cut in cuts:
            self._add_gap(video, cut.shot.gap_frames)
            if cut.is_black:
                self._add_gap(video, len(cut.frames))
            else:
                video.append(self._clip(cut))
        timeline.tracks.append(video)
        audio = self._sound(edit, cuts)
        if audio is not None:
            timeline.tracks.append(audio)
        return timeline

    def _clip(self, cut: Cut) -> Any:  # noqa: ANN401
        if cut.files:
            media, first = self._images(cut), cut.frames[0]
        else:
            assert cut.movie is not None
            media, first = self._movie(cut.movie), cut.frames[0] - 1  # its time begins at 0, its frames at 1
        clip = self._otio.schema.Clip(
            cut.shot.name, media_reference=media, source_range=self._range(first, len(cut.frames))
        )
        clip.metadata[KEY] = _metadata(cut)
        return clip

    def _images(self, cut: Cut) -> Any:  # noqa: ANN401
        sequence = _sequence_of(cut)
        first, last = cut.frames[0], cut.frames[-1]
        if self._lists_frames:
            numbers = "-".join(f"{frame:0{sequence.padding}d}" for frame in (first, last))
            return self._otio.schema.ExternalReference(
                target_url=str(sequence.folder / f"{sequence.prefix}[{numbers}]{sequence.suffix}"),
                available_range=self._range(first, last - first + 1),
            )
        return self._otio.schema.ImageSequenceReference(
            target_url_base=_url(sequence.folder) + "/",
            name_prefix=quote(sequence.prefix),
            name_suffix=quote(sequence.suffix),
            start_frame=first,
            frame_step=1,
            rate=self._rate,
            frame_zero_padding=sequence.padding,
            available_range=self._range(first, last - first + 1),
        )

    def _movie(self, path: Path) -> Any:  # noqa: ANN401
        return self._otio.schema.ExternalReference(
            target_url=_url(path), available_range=self._range(0, movie_facts(path).length)
        )

    def _sound(self, edit: Edit, cuts: tuple[Cut, ...]) -> Any:  # noqa: ANN401
        schema = self._otio.schema
        audio = schema.Track("A1", kind=schema.TrackKind.Audio)
        if edit.sound is not None:
            frames = sum(cut.shot.gap_frames + len(cut.frames) for cut in cuts)
            held = sound_seconds(edit.sound) * edit.rate
            available = self._range(0, round(held) or frames)
            self._add_sound(audio, edit.sound, available, 0, min(frames, round(held) or frames))
            return audio
        heard = False
        for cut in cuts:
            self._add_gap(audio, cut.shot.gap_frames)
            if cut.sound is not None and has_sound(cut.sound):
                heard = True
                self._add_sound(audio, cut.sound, self._range(0, len(cut.frames)), 0, len(cut.frames))
            elif cut.movie is not None and cut.frames and has_sound(cut.movie):
                heard = True
                available = self._range(0, movie_facts(cut.movie).length)
                self._add_sound(audio, cut.movie, available, cut.frames[0] - 1, len(cut.frames))
            else:
                self._add_gap(audio, len(cut.frames))
        return audio if heard else None

    def _add_sound(self, track: Any, path: Path, available: Any, first: int, frames: int) -> None:  # noqa: ANN401
        media = self._otio.schema.ExternalReference(target_url=_url(path), available_range=available)
        clip = self._otio.schema.Clip(path.stem, media_reference=media, source_range=self._range(first, frames))
        track.append(clip)

    def _add_gap(self, track: Any, frames: int) -> None:  # noqa: ANN401
        if frames:
            track.append(self._otio.schema.Gap(source_range=self._range(0, frames)))

    def _range(self, first: int, frames: int) -> Any:  # noqa: ANN401
        time = self._otio.opentime
        return time.TimeRange(time.RationalTime(first, self._rate), time.RationalTime(frames, self._rate))


def _sequence_of(cut: Cut) -> Sequence:
    """How the cut's files are named: a take's name ends in its frame number, a plate's says itself."""
    return find(cut.shot.plate) if cut.take is None else find(str(cut.files[0]))


def _metadata(cut: Cut) -> dict[str, Any]:
    table: dict[str, Any] = msgspec.to_builtins(_table(cut.shot))
    del table["name"]
    if cut.take is not None:
        table |= {"take": cut.take.take, "manifest": cut.take.manifest}
    return table


def _table(shot: EditShot) -> ShotTable:
    """The shot as an edit file would have it, with whole paths."""
    return ShotTable(
        name=shot.name,
        plate=shot.plate or None,
        matte=shot.matte,
        operation=shot.operation if shot.is_fix else None,
        instruction=shot.instruction,
        references=tuple(
            ReferenceTable(path=one.path, frame=one.frame, colorspace=one.colourspace) for one in shot.references
        ),
        motion=shot.motion,
        control=shot.control,
        control_kind=shot.control_kind,
        extend=shot.extend,
        size=f"{shot.size[0]}x{shot.size[1]}" if any(shot.size) else "",
        fps=shot.fps,
        frames=str(shot.frames or ""),
        colorspace=shot.colourspace,
        matte_channel=shot.matte_channel,
        engine=shot.engine,
        engine_options=dict(shot.engine_options),
        quality=shot.quality,
        seed=shot.seed,
        grow=shot.grow_px,
        feather=shot.feather_px,
        aovs=shot.aovs,
    )


def _url(path: Path) -> str:
    return Path(os.path.abspath(path)).as_uri()  # noqa: PTH100 — links stay
