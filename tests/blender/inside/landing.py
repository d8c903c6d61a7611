"""Takes landing as strips: what is seen, and that nothing else is touched."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import stage

from secondtake_blender import compat, ours
from secondtake_blender.landing_strip import accept_strip, frame_arrived, land_strip, reject_strip, shown_strip
from secondtake_blender.plate import PlateChoice
from secondtake_blender.plate_strip import choose_strip
from secondtake_blender.refusal import Refusal
from secondtake_blender.take import Take

PLATE_FRAMES = list(range(101, 113))
START = 21


class Shot:
    """A trimmed plate strip at channel 2, another strip above it, and a folder for takes."""

    def __init__(self, folder: Path, *, handles: int = 2) -> None:
        self.folder = folder
        self.scene = stage.scene()
        names = stage.sequence(folder / "plate", PLATE_FRAMES, suffix=".exr")
        self.plate: Any = stage.image_strip(self.scene, folder / "plate", names, start=START, channel=2)
        compat.set_handles(self.plate, left=START + 3, right=START + 9)
        self.plate.transform.offset_y = 0.0
        other = stage.image_strip(self.scene, folder / "plate", names[:3], start=START + 8, channel=3, name="other")
        other.blend_alpha = 0.0
        self.scene.sequence_editor.active_strip = other
        self.uid = ours.mark(self.plate)
        self.choice = choose_strip(self.scene, self.plate, handles=handles)

    def take(self, take: str) -> Take:
        """A take without a file yet."""
        target = self.folder / "takes" / take
        target.mkdir(parents=True)
        numbers = {pair.number for pair in self.choice.pairs}
        return Take(take=take, folder=str(target), names={n: f"sh010.{take}.{n:04d}.exr" for n in numbers})

    def arrive(self, take: Take, number: int, add: int) -> None:
        path = Path(take.folder) / take.names[number]
        stage.write_exr(path.with_suffix(".tmp"), stage.number_picture(number + add))
        os.replace(path.with_suffix(".tmp"), path)

    def seen(self) -> list[int]:
        frames = range(self.choice.first, self.choice.last + 1)
        return [stage.shown_number(self.scene, frame, self.folder) for frame in frames]

    def others(self) -> dict[str, tuple[object, ...]]:
        """All about the strips that are not ours."""
        editor = self.scene.sequence_editor
        return {
            strip.name: (strip.channel, compat.left_handle(strip), compat.right_handle(strip), strip.blend_type,
                         strip.blend_alpha, strip.mute, strip.directory, len(strip.elements))
            for strip in compat.all_strips(editor) if ours.PLATE not in strip
        }  # fmt: skip


def numbers(choice: PlateChoice) -> list[int]:
    return [choice.number_at(frame) for frame in range(choice.first, choice.last + 1)]


def check_frames_arrive_one_by_one(folder: Path) -> None:
    shot = Shot(folder)
    before, active = shot.others(), shot.scene.sequence_editor.active_strip.name
    take = shot.take("taaa")
    uid = land_strip(take, shot.choice, plate_uid=shot.uid)
    assert shot.seen() == numbers(shot.choice), "the plate shows where no frame is"
    expected = numbers(shot.choice)
    for place in (2, 0, 5):
        shot.arrive(take, expected[place], 500)
        frame_arrived(uid)
        expected[place] += 500
        assert shot.seen() == expected
    for number in take.names:
        shot.arrive(take, number, 500)
    frame_arrived(uid)
    assert shot.seen() == [number + 500 for number in numbers(shot.choice)]
    strip = ours.find_strip(uid).strip
    assert (strip.channel, strip.blend_type, strip.alpha_mode) == (4, "ALPHA_OVER", "PREMUL")
    assert [(each.orig_width, each.orig_height) for each in strip.elements if each.orig_width > 8192] == []
    assert strip.colorspace_settings.name == shot.plate.colorspace_settings.name
    assert shot.others() == before and shot.scene.sequence_editor.active_strip.name == active


def check_sizes_are_clean(folder: Path) -> None:
    """Appended elements hold whatever lay in memory; a missing file of such a size can end Blender."""
    shot = Shot(folder)
    uid = land_strip(shot.take("taaa"), shot.choice, plate_uid=shot.uid)
    sizes = {(each.orig_width, each.orig_height) for each in ours.find_strip(uid).strip.elements}
    assert sizes == {(0, 0)}, sizes


def check_next_take_replaces(folder: Path) -> None:
    shot = Shot(folder)
    before = shot.others()
    uids = []
    for place, name in enumerate(("taaa", "tbbb", "tccc"), start=1):
        take = shot.take(name)
        for number in take.names:
            shot.arrive(take, number, 200 * place)
        uids.append(land_strip(take, shot.choice, plate_uid=shot.uid))
        assert shot.seen() == [number + 200 * place for number in numbers(shot.choice)]
    assert len(set(uids)) == 1
    assert shown_strip(shot.uid).strip[ours.TAKE] == "tccc"
    assert shot.others() == before


def check_accept_and_reject(folder: Path) -> None:
    shot = Shot(folder)
    before = shot.others()
    first = land_strip(shot.take("taaa"), shot.choice, plate_uid=shot.uid)
    accept_strip(first)
    try:
        reject_strip(first)
    except Refusal as refusal:
        assert "accepted" in str(refusal)
    else:
        raise AssertionError("an accepted take is the artist's")
    second = land_strip(shot.take("tbbb"), shot.choice, plate_uid=shot.uid)
    assert second != first and ours.find_strip(first).strip.elements[0].filename.startswith("sh010.taaa")
    reject_strip(second)
    assert ours.find_strip(second) is None and ours.find_strip(first) is not None
    assert shot.others() == before


def check_save_and_reload(folder: Path) -> None:
    """The strips are found again, and show the same in a Blender that knows nothing of the add-on."""
    shot = Shot(folder)
    take = shot.take("taaa")
    uid = land_strip(take, shot.choice, plate_uid=shot.uid)
    wanted = numbers(shot.choice)
    for number in wanted[:3]:
        shot.arrive(take, number, 500)
    blend = str(folder / "shöt.blend")
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=blend)
    shot.scene = bpy.context.scene
    assert shot.seen() == [number + 500 for number in wanted[:3]] + wanted[3:]
    place = ours.find_strip(uid)
    assert place is not None and place.strip[ours.TAKE] == "taaa" and shown_strip(shot.uid) is not None
    following = shot.take("tbbb")
    for number in following.names:
        shot.arrive(following, number, 300)
    assert land_strip(following, shot.choice, plate_uid=shot.uid) == uid
    assert shot.seen() == [number + 300 for number in wanted]


def check_moved_plate(folder: Path) -> None:
    """The artist moves the plate while frames are made: the take lands on it."""
    shot = Shot(folder)
    take = shot.take("taaa")
    for number in take.names:
        shot.arrive(take, number, 500)
    compat.set_content_start(shot.plate, START + 200)
    land_strip(take, shot.choice, plate_uid=shot.uid)
    wanted = [number + 500 for number in numbers(shot.choice)]
    frames = range(compat.left_handle(shot.plate), compat.right_handle(shot.plate))
    assert [stage.shown_number(shot.scene, frame, folder) for frame in frames] == wanted


def check_placement(folder: Path) -> None:
    """A plate that is shifted, turned, scaled, cropped and flipped is covered by its own take to the pixel."""
    shot = Shot(folder)
    shot.plate.transform.scale_x, shot.plate.transform.scale_y = 0.7, 0.9
    shot.plate.transform.offset_x, shot.plate.transform.rotation = 7, 0.2
    shot.plate.crop.min_x, shot.plate.use_flip_x = 9, True
    choice = choose_strip(shot.scene, shot.plate, handles=2)
    assert len([line for line in choice.words() if line[0] == "Note"]) == 3
    frame = choice.first + 1
    plain = stage.shown(shot.scene, frame, folder)
    take = shot.take("taaa")
    for number in take.names:
        shot.arrive(take, number, 0)
    land_strip(take, choice, plate_uid=shot.uid)
    shot.plate.mute = True
    assert np.abs(stage.shown(shot.scene, frame, folder) - plain).max() < 1e-6
    assert 0.2 < plain[..., 3].mean() < 0.8


def check_reversed(folder: Path) -> None:
    shot = Shot(folder)
    shot.plate.use_reverse_frames = True
    choice = choose_strip(shot.scene, shot.plate, handles=1)
    take = shot.take("taaa")
    take = Take(take="taaa", folder=take.folder, names={n: f"sh010.taaa.{n:04d}.exr" for n in PLATE_FRAMES})
    for number in take.names:
        shot.arrive(take, number, 500)
    land_strip(take, choice, plate_uid=shot.uid)
    wanted = [number + 500 for number in numbers(choice)]
    assert wanted == sorted(wanted, reverse=True)
    seen = shot.seen()
    assert seen == wanted, (seen, wanted)


def check_repeats_and_stills(folder: Path) -> None:
    """A plate that holds frames, by strobe or beyond its ends, and one that is a single image."""
    shot = Shot(folder)
    shot.plate.strobe = 2
    compat.set_handles(shot.plate, left=START + 6, right=START + 15)
    choice = choose_strip(shot.scene, shot.plate)
    assert len(choice.pairs) == 9 and len({pair.number for pair in choice.pairs}) == 3, choice.pairs
    names = {number: f"sh010.taaa.{number:04d}.exr" for number in PLATE_FRAMES}
    take = Take(take="taaa", folder=shot.take("taaa").folder, names=names)
    for number in take.names:
        shot.arrive(take, number, 500)
    land_strip(take, choice, plate_uid=shot.uid)
    frames = range(choice.first, choice.last + 1)
    seen = [stage.shown_number(shot.scene, frame, folder) for frame in frames]
    assert seen == [choice.number_at(frame) + 500 for frame in frames], seen

    still = stage.image_strip(shot.scene, folder / "plate", ["sh010.0105.exr"], start=50, channel=2, name="still")
    compat.set_handles(still, left=50, right=58)
    choice = choose_strip(shot.scene, still)
    one = Take(take="tbbb", folder=take.folder, names={1: "sh010.taaa.0105.exr"})
    land_strip(one, choice, plate_uid=ours.mark(still))
    assert [stage.shown_number(shot.scene, frame, folder) for frame in (50, 53, 57)] == [605, 605, 605]


def check_refusals(folder: Path) -> None:
    shot = Shot(folder)
    take = shot.take("taaa")
    names_before = [strip.name for strip in compat.all_strips(shot.scene.sequence_editor)]
    try:
        land_strip(take, shot.choice, plate_uid="0" * 32)
    except Refusal as refusal:
        assert "plate's strip is gone" in str(refusal)
    else:
        raise AssertionError("there is no such plate")
    shot.plate.colorspace_settings.name = "ACEScg"
    unknown = replace(shot.choice, blender_colourspace="Nowhere")
    try:
        land_strip(take, unknown, plate_uid=shot.uid)
    except Refusal as refusal:
        assert "Nowhere" in str(refusal)
    else:
        raise AssertionError("there is no such colour space")
    assert [strip.name for strip in compat.all_strips(shot.scene.sequence_editor)] == names_before


def check_undo(folder: Path) -> None:
    """One undo takes the take away, and a redo brings it back; nothing is found by old references."""
    shot = Shot(folder)
    bpy.ops.ed.undo_push(message="before")
    take = shot.take("taaa")
    uid = land_strip(take, shot.choice, plate_uid=shot.uid)
    bpy.ops.ed.undo_push(message="Show Take")
    bpy.ops.ed.undo()
    assert ours.find_strip(uid) is None and ours.find_strip(shot.uid) is not None
    bpy.ops.ed.redo()
    place = ours.find_strip(uid)
    assert place is not None and place.strip[ours.TAKE] == "taaa"
