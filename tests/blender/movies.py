"""Movies with their frame numbers in the picture, counted from 0."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

BITS, WIDTH, HEIGHT = 11, 88, 48


def write_movie(path: Path, *, frames: int, rate: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 2_000_000
        for number in range(frames):
            bars = np.array([(number >> bit) & 1 for bit in range(BITS)], np.uint8) * 255
            row = np.repeat(bars, WIDTH // BITS)
            picture = np.broadcast_to(row[None, :, None], (HEIGHT, WIDTH, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        container.mux(stream.encode())
