"""Sound for an animatic: a file, or what a movie sounds like, from a moment on, in as many samples as are asked for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from numpy.typing import NDArray

from secondtake.errors import BadInput
from secondtake_daemon.images.movies import container_of, is_movie

__all__ = ["CHANNELS", "RATE_HZ", "Samples", "Sound", "has_sound", "sound_seconds"]

RATE_HZ = 48_000
CHANNELS = 2

Samples = NDArray[np.float32]
"""(2, count): left and right, −1 … 1."""

# As for movies, the container is taken from the suffix, never from the content.
_CONTAINERS = {
    ".aac": "aac",
    ".aif": "aiff",
    ".aiff": "aiff",
    ".flac": "flac",
    ".m4a": "mov",
    ".mp3": "mp3",
    ".ogg": "ogg",
    ".opus": "ogg",
    ".wav": "wav",
}


def has_sound(path: Path) -> bool:
    """True if a movie has a sound track that can be decoded."""
    try:
        with Sound(path):
            return True
    except BadInput:
        return False


def sound_seconds(path: Path) -> Fraction:
    """How long a sound file plays, as its headers say; 0 if they don't. Raises BadInput if it is none we read."""
    with Sound(path) as sound:
        return sound.seconds


class Sound:
    """An open sound. A context manager, for one thread; `read` goes forward only."""

    def __init__(self, path: Path, *, start_s: Fraction = Fraction(0)) -> None:
        """start_s: begin there, counted from the file's first picture if it has one. Raises BadInput."""
        self._path = path
        self._stack = ExitStack()
        self._left: Samples = np.zeros((CHANNELS, 0), np.float32)
        try:
            container, stream = _open(path, self._stack)
        except BaseException:
            self._stack.close()
            raise
        self.seconds = Fraction(container.duration or 0, av.time_base)
        self._blocks = self._decode(container, stream, start_s)

    def __enter__(self) -> Sound:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.close()
        self._stack.close()

    def read(self, count: int) -> Samples:
        """The next samples, (2, count); silence after the end. Raises BadInput if the file is damaged."""
        found = [self._left]
        have = self._left.shape[1]
        while have < count:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((CHANNELS, count - have), np.float32)
            found.append(block)
            have += block.shape[1]
        samples = np.concatenate(found, axis=1)
        self._left = samples[:, count:]
        return samples[:, :count]

    def _decode(
        self, container: InputContainer, stream: AudioStream, start_s: Fraction
    ) -> Generator[Samples, None, None]:
        """Blocks of samples; what lies before the start is left out, what is missing there is silence."""
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE_HZ)
        origin_s = _origin_s(container, stream)
        skip: int | None = None
        try:
            for frame in container.decode(stream):
                if skip is None:
                    begins_s = Fraction(frame.pts or 0) * (frame.time_base or Fraction(0))
                    skip = round((start_s + origin_s - begins_s) * RATE_HZ)
                    if skip < 0:
                        yield np.zeros((CHANNELS, -skip), np.float32)
                        skip = 0
                for part in resampler.resample(frame):
                    block = np.asarray(part.to_ndarray(), np.float32)
                    yield block[:, skip:]
                    skip = max(skip - block.shape[1], 0)
        except av.FFmpegError as error:
            raise _unusable(self._path, (error.strerror or str(error)).lower()) from error


def _open(path: Path, stack: ExitStack) -> tuple[InputContainer, AudioStream]:
    kind = container_of(path) if is_movie(path) else _CONTAINERS.get(path.suffix.lower(), "")
    if not kind:
        known = ", ".join(sorted(_CONTAINERS))
        raise BadInput(f"Sound of the kind '{path.suffix}' cannot be read", remedy=f"Use {known} or a movie", path=path)
    try:
        container = stack.enter_context(av.open(str(path), format=kind, options={"protocol_whitelist": "file"}))
    except (av.FFmpegError, OSError) as error:
        raise _unusable(path, (error.strerror or str(error)).lower()) from error
    stream = next(iter(container.streams.audio), None)
    if stream is None or stream.codec_context is None:
        raise _unusable(path, "there is no sound in it that can be decoded")
    return container, stream


def _origin_s(container: InputContainer, stream: AudioStream) -> Fraction:
    """When the file's first picture, else its first sound, begins."""
    first = next(iter(container.streams.video), stream)
    return Fraction(first.start_time or 0) * (first.time_base or Fraction(0))


def _unusable(path: Path, why: str) -> BadInput:
    return BadInput(f"The sound cannot be used: {why}", remedy="Convert it to WAV, or leave it out", path=path)
