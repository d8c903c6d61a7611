"""A take in words: what was asked, on what, with what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from secondtake.figures import Figures
from secondtake.frames import FrameSet
from secondtake.messages import ControlKind
from secondtake_daemon.cli.knowledge import knowledge_line
from secondtake_daemon.takes.manifest import Manifest
from secondtake_daemon.takes.notes import Notes

__all__ = ["facts"]

Fact = tuple[str, str]
"""What it is about, and what there is to say."""


def facts(manifest: Manifest, folder: Path, notes: Notes) -> Iterator[Fact]:
    """All that is worth a line, in the order in which one asks."""
    name = f" — {notes.name}" if notes.name else ""
    yield "take", f"{manifest.take}{name}{' *' if notes.starred else ''}"
    if notes.note:
        yield "about it", notes.note
    yield "shot", manifest.shot
    yield from _asked(manifest)
    yield from _on(manifest)
    yield from _with(manifest)
    yield from _result(manifest, folder)


def _asked(manifest: Manifest) -> Iterator[Fact]:
    yield "operation", manifest.request.operation.value
    instructions = manifest.instructions or tuple(filter(None, [manifest.request.instruction]))
    for number, instruction in enumerate(instructions, 1):
        yield "instruction", f"{number}. {instruction}" if len(instructions) > 1 else instruction
    if manifest.revises:
        yield "again for", manifest.revises


def _on(manifest: Manifest) -> Iterator[Fact]:
    plate = manifest.plate
    if manifest.parent:
        yield "on", f"take {manifest.parent}"
        yield "line", " → ".join(["plate", *manifest.line, manifest.take])
    yield "plate", manifest.root_name
    yield "colour", plate.colourspace + (" (assumed: the file has no tag)" if plate.colourspace_assumed else "")


def _with(manifest: Manifest) -> Iterator[Fact]:
    request, matte = manifest.request, manifest.matte
    if matte.name:
        yield "matte", f"{matte.name} (grow {matte.grow_px} px, feather {matte.feather_px} px)"
    else:
        yield "matte", f"none: frames {matte.whole} are made whole"
    if manifest.plate.added:
        yield "new frames", manifest.plate.added
    for reference in manifest.references:
        frame = f" as frame {reference.frame}" if reference.frame is not None else ""
        yield "reference", f"{reference.name}{frame}"
    if manifest.motion is not None:
        yield "motion", manifest.motion.name
    if manifest.control is not None:
        yield "follows", f"{manifest.control.kind.value} {manifest.control.name}"
    elif request.control_kind is not ControlKind.NONE:
        yield "follows", f"{request.control_kind.value} of the plate"
    options = "".join(f", {name} {value}" for name, value in sorted(request.engine_options.items()))
    engine = f"{manifest.engine.name} {manifest.engine.version}"
    yield "engine", f"{engine}, {request.quality.value}, seed {request.seed}{options}"


def _result(manifest: Manifest, folder: Path) -> Iterator[Fact]:
    proof, numbers = manifest.proof, FrameSet(record.frame for record in manifest.frames)
    parent = f" against {manifest.parent}" if manifest.parent else ""
    yield "made", f"{manifest.made} in {manifest.seconds:.1f} s by {manifest.software}"
    yield "folder", str(folder)
    yield "frames", f"{len(numbers)}: {numbers}"
    yield "proof", f"{proof.outside_changed} of {proof.outside_samples:,} samples changed outside{parent}"
    if manifest.parent and manifest.line_proof is not None:
        whole = manifest.line_proof
        yield (
            "",
            f"{whole.outside_changed} of {whole.outside_samples:,} outside all mattes of the line, against the plate",
        )
    if manifest.knowledge is not None:
        yield "pixels", knowledge_line(manifest.knowledge, manifest.frames)
    if manifest.figures is not None:
        yield "quality", figures_line(manifest.figures)
    for note in manifest.notes:
        yield "note", note


def figures_line(figures: Figures) -> str:
    """As "seam 0.02 stops (frame 1003), flicker 0.004, drift 0.10 0.09 0.11, window step 0"; then what is wrong."""
    seam = f"seam {figures.seam:.3g} stops" + (
        f" (frame {figures.seam_frame})" if figures.seam_frame is not None else ""
    )
    step = f"window step {figures.window_step:.3g}"
    if figures.window_frame is not None:
        step += f" (frame {figures.window_frame})"
    parts = [seam, f"flicker {figures.flicker:.3g}", "drift " + " ".join(f"{one:.3g}" for one in figures.drift), step]
    if figures.bad:
        parts.append(f"{figures.bad} samples that are no numbers")
    parts += [f"frames {what}: {FrameSet(there)}" for what, there in _odd(figures) if there]
    return ", ".join(parts)


def _odd(figures: Figures) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return ("missing", figures.missing), ("doubled", figures.doubled)
