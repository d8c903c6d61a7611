"""Sound as float32 samples: read out of a movie or a WAV file, brought to another rate, written as a WAV file.

WAV with float samples: Microsoft, Multiple channel audio data and WAVE files, 2007 (format 3, with a `fact` chunk).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from secondtake.errors import BadImage
from secondtake_daemon.images.movies import MovieFacts, container_of

__all__ = ["Track", "movie_sound", "read_wav", "resampled", "wav_bytes"]

_FLOAT, _SAMPLE_BYTES = 3, 4
_HEAD = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")
_MOST_CHANNELS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A piece of sound."""

    samples: NDArray[np.float32]
    """(channels, samples), -1 … 1."""
    rate_hz: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.samples.shape[1] / self.rate_hz)


def movie_sound(movie: MovieFacts, *, begin_s: Fraction, end_s: Fraction) -> Track | None:
    """The first sound of a movie between two times of its picture, with silence where it has none; None if the movie
    is silent. Raises BadImage if the sound can't be decoded."""
    options = {"protocol_whitelist": "file"}
    try:
        with av.open(str(movie.path), format=container_of(movie.path), options=options) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or not stream.rate or not 0 < stream.channels <= _MOST_CHANNELS:
                return None
            rate, layout = stream.rate, stream.layout.name
            origin = Fraction(0) if container.start_time is None else Fraction(container.start_time, av.time_base)
            canvas = np.zeros((stream.channels, round((end_s - begin_s) * rate)), np.float32)
            resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
            for frame in _decoded(container, stream):
                if frame.pts is None or frame.time_base is None:
                    continue
                at = round((frame.pts * frame.time_base - origin - begin_s) * rate)
                if at >= canvas.shape[1]:
                    break
                for part in resampler.resample(frame):
                    values = np.asarray(part.to_ndarray(), np.float32)
                    _put(canvas, values, at)
                    at += values.shape[1]
    except av.FFmpegError as error:
        raise BadImage(
            f"The movie's sound cannot be read: {(error.strerror or str(error)).lower()}",
            remedy="Convert it, or give an EXR sequence",
            path=movie.path,
        ) from error
    return Track(samples=canvas, rate_hz=rate)


def _decoded(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    for packet in container.demux(stream):
        yield from packet.decode()


def _put(canvas: NDArray[np.float32], values: NDArray[np.float32], at: int) -> None:
    """Those of the values that lie on the canvas."""
    first, last = max(at, 0), min(at + values.shape[1], canvas.shape[1])
    if first < last:
        canvas[:, first:last] = values[: len(canvas), first - at : last - at]


def resampled(track: Track, *, rate_hz: int, channels: int) -> Track:
    """At another rate and with so many channels; one channel is spread, more than two are mixed to their mean."""
    samples = track.samples
    if len(samples) != channels:
        samples = np.repeat(samples.mean(axis=0, keepdims=True), channels, axis=0)
    if track.rate_hz != rate_hz:
        samples = np.stack([_one_resampled(each, track.rate_hz, rate_hz) for each in samples])
    length = round(track.samples.shape[1] * rate_hz / track.rate_hz)
    fitted = np.zeros((channels, length), np.float32)
    _put(fitted, samples, 0)
    return Track(samples=fitted, rate_hz=rate_hz)


def _one_resampled(samples: NDArray[np.float32], rate_hz: int, wanted_hz: int) -> NDArray[np.float32]:
    resampler = AudioResampler(format="flt", layout="mono", rate=wanted_hz)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
    frame.sample_rate = rate_hz
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts]).astype(np.float32)


def wav_bytes(track: Track) -> bytes:
    """A WAV file of the samples as they are."""
    channels, length = track.samples.shape
    block, data = channels * _SAMPLE_BYTES, channels * length * _SAMPLE_BYTES
    head = _HEAD.pack(
        b"RIFF", _HEAD.size - 8 + data, b"WAVE", b"fmt ", 18, _FLOAT, channels, track.rate_hz, track.rate_hz * block,
        block, 8 * _SAMPLE_BYTES, 0, b"fact", 4, length, b"data", data,
    )  # fmt: skip
    return head + np.ascontiguousarray(track.samples.T, "<f4").tobytes()


def read_wav(path: Path) -> Track:
    """A file that `wav_bytes` made. Raises BadImage for any other."""
    raw = path.read_bytes()
    fields = _HEAD.unpack_from(raw) if len(raw) >= _HEAD.size else ()
    if not fields or (fields[0], fields[2], fields[5]) != (b"RIFF", b"WAVE", _FLOAT) or fields[15] != b"data":
        raise BadImage("The take's sound is not as it was written", remedy="Make the take again", path=path)
    channels, rate, length = fields[6], fields[7], fields[14]
    if not channels or len(raw) != _HEAD.size + channels * length * _SAMPLE_BYTES:
        raise BadImage("The take's sound was cut short", remedy="Make the take again", path=path)
    samples = np.frombuffer(raw, "<f4", offset=_HEAD.size).reshape(length, channels).T
    return Track(samples=np.ascontiguousarray(samples, np.float32), rate_hz=rate)
