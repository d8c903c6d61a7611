"""Cuts to a movie: H.264 (else MPEG-4) and AAC in MP4, one frame after the other, memory flat in its length.

Colour is tagged as it is made: BT.709 primaries and matrix, limited range, the sRGB curve (ITU-T H.273).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from secondtake.errors import BadInput, DiskError, SecondTakeError
from secondtake_daemon.edits.cuts import Cut, movie_facts
from secondtake_daemon.edits.pictures import Size, Viewer, common_size, size_of
from secondtake_daemon.edits.sound import CHANNELS, RATE_HZ, Samples, Sound, has_sound
from secondtake_daemon.store.io import disk_errors, replace_file

__all__ = ["write_animatic"]

_CRF = "18"
_SOUND_BITS = 192_000
_BT709, _SRGB_CURVE = 1, 13
OnFrame = Callable[[int, int], None]
"""Told how many frames of how many are written."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of samples from one source; silence if there is none."""

    path: Path | None
    start_s: Fraction
    frames: int


def write_animatic(
    cuts: tuple[Cut, ...], path: Path, *, rate: Fraction, sound: Path | None, on_frame: OnFrame
) -> tuple[str, ...]:
    """Play the cuts into a movie, whole or not at all. Returns what could not be shown, one sentence each.

    sound: a file for the whole length; None takes the sound of the movies that plates come from. Silence where there is
    none; without any sound the movie has no sound track. Raises BadInput if the sound file cannot be used, DiskError.
    """
    viewer = Viewer(common_size(_sizes(cuts)))
    pieces = _pieces(cuts, sound)
    total = sum(cut.shot.gap_frames + len(cut.frames) for cut in cuts)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(part: Path) -> None:
        with _muxing(path), ExitStack() as stack:
            film = _Film(stack, part, size=viewer.size, rate=rate, with_sound=bool(pieces))
            samples = _samples(pieces, rate, viewer.notes) if pieces else None
            for number, picture in enumerate(_pictures(cuts, viewer), start=1):
                film.add(picture, next(samples) if samples else None)
                on_frame(number, total)
            film.end()

    replace_file(path, write)
    return tuple(viewer.notes)


def _pictures(cuts: tuple[Cut, ...], viewer: Viewer) -> Iterator[NDArray[np.uint8]]:
    for cut in cuts:
        for _ in range(cut.shot.gap_frames):
            yield viewer.black
        yield from viewer.pictures(cut)


def _sizes(cuts: tuple[Cut, ...]) -> list[Size]:
    """Of what can be shown; the rest gets its note when its turn comes."""
    found = []
    for cut in cuts:
        if not cut.is_black:
            try:
                found.append(size_of(cut))
            except SecondTakeError:
                continue
    return found


def _pieces(cuts: tuple[Cut, ...], sound: Path | None) -> list[_Piece]:
    """Where the sound comes from, in order; nothing if there is none at all."""
    if sound is not None:
        return [_Piece(sound, Fraction(0), sum(cut.shot.gap_frames + len(cut.frames) for cut in cuts))]
    pieces = []
    for cut in cuts:
        pieces.append(_Piece(None, Fraction(0), cut.shot.gap_frames))
        pieces.append(_own_sound(cut))
    return pieces if any(piece.path for piece in pieces) else []


def _own_sound(cut: Cut) -> _Piece:
    if cut.sound is not None and has_sound(cut.sound):
        return _Piece(cut.sound, Fraction(0), len(cut.frames))
    if cut.movie is None or not cut.frames or not has_sound(cut.movie):
        return _Piece(None, Fraction(0), len(cut.frames))
    movie = movie_facts(cut.movie)
    start_s = (cut.frames[0] - 1) / movie.rate if movie.rate else Fraction(0)
    return _Piece(cut.movie, start_s, len(cut.frames))


def _samples(pieces: list[_Piece], rate: Fraction, notes: list[str]) -> Iterator[Samples]:
    """The samples of one frame after the other. Frames whose samples are not a whole number share the rest evenly."""
    frame = 0
    for piece in pieces:
        with ExitStack() as stack:
            source = stack.enter_context(Sound(piece.path, start_s=piece.start_s)) if piece.path else None
            for _ in range(piece.frames):
                count = round((frame + 1) * RATE_HZ / rate) - round(frame * RATE_HZ / rate)
                frame += 1
                try:
                    yield source.read(count) if source else np.zeros((CHANNELS, count), np.float32)
                except BadInput as error:
                    notes.append(f"{error.message}: {piece.path}.")
                    source = None
                    yield np.zeros((CHANNELS, count), np.float32)


class _Film:
    """An open movie file that frames and their sound are added to."""

    def __init__(self, stack: ExitStack, part: Path, *, size: Size, rate: Fraction, with_sound: bool) -> None:
        self._container: OutputContainer = stack.enter_context(
            av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"})
        )
        self._video = _add_video(self._container, size, rate)
        self._audio = _add_audio(self._container) if with_sound else None
        self._to_yuv = VideoReformatter()
        self._rate = rate
        self._frames = self._samples = 0

    def add(self, picture: NDArray[np.uint8], samples: Samples | None) -> None:
        """One frame, (height, width, 3) uint8, and its samples."""
        frame = self._to_yuv.reformat(
            av.VideoFrame.from_ndarray(picture, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        assert frame is not None
        frame.pts, frame.time_base = self._frames, 1 / self._rate
        self._frames += 1
        self._container.mux(self._video.encode(frame))
        if self._audio is not None and samples is not None and samples.shape[1]:
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
            block.sample_rate, block.pts, block.time_base = RATE_HZ, self._samples, Fraction(1, RATE_HZ)
            self._samples += samples.shape[1]
            self._container.mux(self._audio.encode(block))

    def end(self) -> None:
        """Write what the encoders still hold."""
        self._container.mux(self._video.encode())
        if self._audio is not None:
            self._container.mux(self._audio.encode())


def _add_video(container: OutputContainer, size: Size, rate: Fraction) -> VideoStream:
    has_x264 = "libx264" in av.codec.codecs_available
    stream: VideoStream = container.add_stream("libx264" if has_x264 else "mpeg4", rate=rate)
    stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
    stream.options = {"crf": _CRF, "preset": "fast"} if has_x264 else {"qscale": "2"}
    codec = stream.codec_context
    codec.color_primaries, codec.color_trc = _BT709, _SRGB_CURVE
    codec.colorspace, codec.color_range = int(Colorspace.ITU709), int(ColorRange.MPEG)
    return stream


def _add_audio(container: OutputContainer) -> AudioStream:
    stream: AudioStream = container.add_stream("aac", rate=RATE_HZ)
    stream.layout = "stereo"
    stream.bit_rate = _SOUND_BITS
    return stream


@contextmanager
def _muxing(path: Path) -> Iterator[None]:
    """What FFmpeg raises; trouble with the disk passes, `store.io` knows it by its number."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        why = (error.strerror or str(error)).lower()
        raise DiskError(f"The animatic cannot be written ({why})", remedy="Check the disk", path=path) from error
