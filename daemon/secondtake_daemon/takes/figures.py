"""The quality figures of a take, from those of its frames (docs/quality.md). Numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from secondtake.figures import Figures, FrameFigures

__all__ = ["figures_of"]

_SECOND_DIFFERENCE = 6.0**0.5  # its RMS on white noise of sigma 1


def figures_of(
    *,
    frames: Mapping[int, FrameFigures],
    wanted: Sequence[int],
    windows: Sequence[Sequence[int]],
    outside_changed: int,
) -> Figures:
    """frames: figures by frame number. wanted: the frames the take should have. windows: as the engine was asked."""
    shown = {frame: one for frame, one in sorted(frames.items()) if one.content}
    level = {frame: _relative(one) for frame, one in shown.items()}
    seam = max(shown, key=lambda frame: shown[frame].seam, default=None)
    step, at = _window_step(level, windows)
    return Figures(
        outside_changed=outside_changed,
        seam=round(shown[seam].seam, 4) if seam is not None else 0.0,
        seam_frame=seam if seam is not None and shown[seam].seam > 0 else None,
        flicker=round(_flicker(level), 4),
        drift=_drift(list(shown.values())),
        window_step=round(step, 4),
        window_frame=at,
        bad=sum(one.bad for one in frames.values()),
        missing=tuple(frame for frame in wanted if frame not in frames),
        doubled=tuple(
            now
            for before, now in pairwise(shown)
            if shown[before].content == shown[now].content and shown[before].plate_content != shown[now].plate_content
        ),
    )


def _relative(one: FrameFigures) -> float:
    """Level inside against the level around: what the light does to the whole plate is no flicker of ours."""
    return sum(one.inside) / 3 - sum(one.around) / 3


def _flicker(level: Mapping[int, float]) -> float:
    """RMS of the second difference in time, scaled to the sigma of a white jitter; a slow change counts for nothing."""
    runs = [
        (level[a] - 2 * level[b] + level[c]) ** 2
        for a, b, c in zip(level, list(level)[1:], list(level)[2:], strict=False)
        if b - a == c - b
    ]
    return (sum(runs) / len(runs)) ** 0.5 / _SECOND_DIFFERENCE if runs else 0.0


def _window_step(level: Mapping[int, float], windows: Sequence[Sequence[int]]) -> tuple[float, int | None]:
    starts = {window[0] for window in windows[1:] if window}
    steps = {now: abs(level[now] - level[before]) for before, now in pairwise(level)}
    usual = sorted(step for frame, step in steps.items() if frame not in starts)
    middle = usual[len(usual) // 2] if usual else 0.0
    at = max((frame for frame in steps if frame in starts), key=lambda frame: steps[frame], default=None)
    if at is None or steps[at] <= middle:
        return 0.0, None
    return steps[at] - middle, at


def _drift(shown: Sequence[FrameFigures]) -> tuple[float, float, float]:
    if not shown:
        return (0.0, 0.0, 0.0)
    red, green, blue = (round(sum(one.drift[at] for one in shown) / len(shown), 4) for at in range(3))
    return (red, green, blue)
