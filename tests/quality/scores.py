"""Scores inside the matte, against the clean plate, in display encoding (clip to 0..1, gamma 1/2.2)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]


def display(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scene-linear to display, any shape."""
    return np.asarray(np.clip(np.nan_to_num(pixels), 0, 1) ** (1 / 2.2), np.float32)


def psnr(result: Frames, truth: Frames, holes: Frames) -> float:
    """Mean over the frames of the PSNR inside the matte, in dB."""
    found = []
    for one, true, hole in zip(result, truth, holes, strict=True):
        inside = hole > 0
        if inside.any():
            error = float(((display(one) - display(true))[inside].astype(np.float64) ** 2).mean())
            found.append(-10 * np.log10(max(error, 1e-10)))
    return float(np.mean(found))


def flicker(result: Frames, truth: Frames, holes: Frames) -> float:
    """Mean squared error of the frame-to-frame difference against the truth's, inside both mattes, × 1000."""
    found = []
    shown, real = display(result), display(truth)
    for now in range(1, len(result)):
        inside = (holes[now] > 0) & (holes[now - 1] > 0)
        if inside.any():
            error = (shown[now] - shown[now - 1]) - (real[now] - real[now - 1])
            found.append(float((error[inside].astype(np.float64) ** 2).mean()))
    return 1000 * float(np.mean(found)) if found else 0.0


def warp_error(result: Frames, truth: Frames, holes: Frames) -> float:
    """Mean squared warp error along the truth's own flow inside the matte, × 1000.

    Pixels where the truth itself warps worse than 0.08 are left out.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    shown, real = display(result), display(truth)
    found = []
    for now in range(1, len(result)):
        before, after = (cv2.cvtColor((real[i] * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for i in (now - 1, now))
        flow = np.asarray(dis.calc(after, before, None), np.float32)
        rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
        x, y = columns + flow[..., 0], rows + flow[..., 1]
        apart = np.abs(cv2.remap(real[now - 1], x, y, cv2.INTER_LINEAR) - real[now]).max(axis=2)
        inside = (holes[now] > 0) & (apart < 0.08)
        if inside.any():
            error = cv2.remap(shown[now - 1], x, y, cv2.INTER_LINEAR) - shown[now]
            found.append(float((error[inside].astype(np.float64) ** 2).mean()))
    return 1000 * float(np.mean(found)) if found else 0.0


def telea(plates: Frames, holes: Frames, *, radius_px: float = 5.0) -> Frames:
    """The baseline: cv2.inpaint on each 8-bit display picture; scene-linear again."""
    result = plates.copy()
    for one, plate, hole in zip(result, plates, holes, strict=True):
        mask = (hole > 0).astype(np.uint8)
        shown = np.rint(display(plate) * 255).astype(np.uint8)
        filled = cv2.inpaint(shown, mask, radius_px, cv2.INPAINT_TELEA)
        one[mask > 0] = ((filled.astype(np.float32) / 255) ** 2.2)[mask > 0]
    return result


def mean_ssim(result: Frames, truth: Frames, holes: Frames) -> float:
    """SSIM (Wang et al. 2004; Gaussian 11, sigma 1.5) of the display luma, averaged over the hole's pixels."""
    return float(
        np.mean([_ssim(_luma(a), _luma(b))[h > 0].mean() for a, b, h in zip(result, truth, holes, strict=True)])
    )


def ms_ssim(result: Frames, truth: Frames, holes: Frames, *, scales: int = 3) -> float:
    """Geometric mean of the SSIM inside the hole over a few octaves."""
    found = []
    for one, true, hole in zip(result, truth, holes, strict=True):
        a, b, inside = _luma(one), _luma(true), (hole > 0).astype(np.float32)
        levels = []
        for _ in range(scales):
            levels.append(max(float(_ssim(a, b)[inside > 0.5].mean()) if (inside > 0.5).any() else 1.0, 1e-3))
            a, b, inside = (np.asarray(cv2.pyrDown(plane), np.float32) for plane in (a, b, inside))
        found.append(float(np.exp(np.mean(np.log(levels)))))
    return float(np.mean(found))


def _luma(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(display(pixels) @ np.array([0.2126, 0.7152, 0.0722], np.float32), np.float32)


def _ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    def soft(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(plane, (11, 11), 1.5), np.float32)

    mean_a, mean_b = soft(a), soft(b)
    var_a, var_b, both = soft(a * a) - mean_a**2, soft(b * b) - mean_b**2, soft(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
    return np.asarray(top / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)), np.float32)


def fine_sigma(result: Frames, truth: Frames, holes: Frames, *, tones: int = 1) -> list[float]:
    """How strong the fine part of result - truth is, a robust sigma; for each of so many tones, the darkest first.

    In shares of a grain whose variance is 6e-4 x + 1.5e-5, as `scenes.grain` makes it; well inside the hole.
    """
    errors, lumas = [], []
    for one, true, hole in zip(result, truth, holes, strict=True):
        inner = _well_inside(hole)
        errors.append(_fine(one, true)[inner])
        lumas.append(_luma(true)[inner])
    values, luma = np.concatenate(errors), np.concatenate(lumas)
    borders = np.quantile(luma, np.linspace(0, 1, tones + 1)[1:-1])
    tone = np.searchsorted(borders, luma)
    return [_robust_sigma(values[tone == one]) for one in range(tones)]


def fine_correlation(result: Frames, truth: Frames, holes: Frames) -> float:
    """Correlation of that fine part between neighbouring frames, well inside both holes; mean over the pairs."""
    found = []
    for now in range(1, len(result)):
        both = _well_inside(holes[now]) & _well_inside(holes[now - 1])
        if both.sum() > 100:
            one, two = (np.clip(_fine(result[i], truth[i])[both], -4, 4).ravel() for i in (now - 1, now))
            found.append(float(np.corrcoef(one, two)[0, 1]))
    return float(np.mean(found))


def _fine(one: NDArray[np.float32], true: NDArray[np.float32]) -> NDArray[np.float32]:
    """What lies above a blur of two pixels, in sigmas of the plate's grain."""
    error = (one - true) / np.sqrt(6e-4 * np.maximum(true, 0) + 1.5e-5)
    return np.asarray(error - cv2.GaussianBlur(error, (0, 0), 2.0), np.float32)


def _well_inside(hole: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(cv2.erode((hole > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)


def _robust_sigma(values: NDArray[np.float32]) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
