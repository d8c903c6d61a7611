"""Plates that a strip is, against what Blender's sequencer renders."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
import stage

from secondtake_blender import compat
from secondtake_blender.plate import PlateChoice, PlateKind
from secondtake_blender.plate_strip import choose_strip
from secondtake_blender.refusal import Refusal


def check_image_mapping(folder: Path, seed: str) -> None:
    """Whatever was trimmed, shifted or turned round, the numbers named are the numbers seen."""
    dice = random.Random(int(seed))
    media = list(range(1001, 1031))
    names = stage.sequence(folder / "Füße und Hände", media, suffix=".png")
    made = stage.scene()
    for _ in range(6):
        strip = stage.image_strip(made, folder / "Füße und Hände", names, start=dice.randint(-5, 40))
        strip.use_reverse_frames = dice.random() < 0.5
        strip.strobe = dice.choice([0, 0, 2, 3])
        if dice.random() < 0.5:
            trim = "content_trim" if hasattr(strip, "content_trim_start") else "animation_offset"
            setattr(strip, f"{trim}_start", dice.randint(0, 8))
            setattr(strip, f"{trim}_end", dice.randint(0, 8))
        left, right = compat.left_handle(strip), compat.right_handle(strip)
        compat.set_handles(strip, left=left + dice.randint(-3, 6), right=right + dice.randint(-6, 3))
        choice = choose_strip(made, strip, handles=dice.choice([0, 0, 4]))
        assert choice.order is None and choice.kind is PlateKind.IMAGES, choice
        assert choice.path == str(folder / "Füße und Hände" / "sh010.####.png"), choice.path
        assert (choice.first, choice.last + 1) == (compat.left_handle(strip), compat.right_handle(strip))
        choice.require_media()
        for frame in [choice.first, *dice.sample(range(choice.first, choice.last + 1), 4), choice.last]:
            seen = stage.shown_number(made, frame, folder)
            said = choice.number_at(frame)
            assert said == seen, (frame, said, seen, strip.use_reverse_frames, strip.strobe, choice)
        compat.strips_of(made.sequence_editor).remove(strip)


def _baked_numbers(choice: PlateChoice, folder: Path) -> list[int]:
    assert choice.order is not None and choice.path == "", choice
    target = stage.rendered(choice.order, folder)
    files = sorted(target.glob("plate.*.exr"))
    assert [int(file.suffixes[0][1:]) for file in files] == [pair.number for pair in choice.pairs]
    return [stage.read_number(stage.read_exr(file)["R"]) for file in files]


def check_retimed(folder: Path) -> None:
    """Twice the speed: what the background Blender writes is what the timeline shows."""
    made = stage.scene()
    names = stage.sequence(folder / "plate", list(range(1, 25)))
    strip = stage.image_strip(made, folder / "plate", names, start=11)
    made.sequence_editor.active_strip, strip.select = strip, True
    with _sequencer():
        bpy.ops.sequencer.retiming_show()
        bpy.ops.sequencer.retiming_segment_speed_set(speed=200.0)
    choice = choose_strip(made, strip)
    assert "retimed" in choice.notes[0]
    shown = [stage.shown_number(made, frame, folder) for frame in range(choice.first, choice.last + 1)]
    assert shown[:5] == [1, 3, 5, 7, 9], shown
    assert _baked_numbers(choice, folder) == shown


def check_meta_and_effects(folder: Path) -> None:
    """A meta shows its children, an effect its input; what lies above, below and around is left away."""
    made = stage.scene()
    names = stage.sequence(folder / "plate", list(range(1, 41)))
    strips = compat.strips_of(made.sequence_editor)
    for start, part in ((5, names[:4]), (9, names[20:24])):
        stage.image_strip(made, folder / "plate", part, start=start, name=f"child{start}")
    with _sequencer():
        bpy.ops.sequencer.select_all(action="SELECT")
        bpy.ops.sequencer.meta_make()
    meta = strips[0]
    compat.set_handles(meta, left=7, right=12)
    stage.image_strip(made, folder / "plate", names, start=1, channel=5, name="above")
    stage.image_strip(made, folder / "plate", names, start=1, channel=1, name="below")
    choice = choose_strip(made, meta)
    baked = _baked_numbers(choice, folder)
    assert baked == [3, 4, 21, 22, 23], baked

    source = stage.image_strip(made, folder / "plate", names[30:36], start=30, channel=6, name="source")
    length = {"length": 6} if hasattr(bpy.data, "annotations") else {"frame_end": 36}
    effect = strips.new_effect(
        name="blur", type="GAUSSIAN_BLUR", channel=7, frame_start=30, **_inputs(source), **length
    )
    effect.size_x = effect.size_y = 0
    source.mute = True
    assert _baked_numbers(choose_strip(made, effect), folder) == [31, 32, 33, 34, 35, 36]
    inner = next(each for each in compat.all_strips(made.sequence_editor) if each.name == "child9")
    inner_choice = choose_strip(made, inner, rendered=True)
    assert _baked_numbers(inner_choice, folder)[:3] == [21, 22, 23]


@contextmanager
def _sequencer() -> Iterator[None]:
    """A window with a sequence editor, for operators that ask for one."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "SEQUENCE_EDITOR"
    region = next(each for each in area.regions if each.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        yield


def _inputs(strip: object) -> dict[str, object]:
    parameters = compat.strips_of(bpy.context.scene.sequence_editor).bl_rna.functions["new_effect"].parameters
    return {"input1" if "input1" in parameters else "seq1": strip}


def check_scene_strip(folder: Path) -> None:
    """A scene strip is rendered; a frame of it is the scene's own frame."""
    made = stage.scene()
    other = bpy.data.scenes.new("other")
    other.render.engine = "BLENDER_WORKBENCH"
    other.sequence_editor_create()
    other.frame_start, other.frame_end = 1, 10
    names = stage.sequence(folder / "plate", list(range(1, 11)))
    stage.image_strip(other, folder / "plate", names, start=1)
    strip = compat.strips_of(made.sequence_editor).new_scene(name="scene", scene=other, channel=1, frame_start=41)
    strip.scene_input = "SEQUENCER"
    if hasattr(bpy.context.workspace, "sequencer_scene"):
        bpy.context.workspace.sequencer_scene = made
    compat.set_handles(strip, left=43, right=47)
    assert _baked_numbers(choose_strip(made, strip), folder) == [3, 4, 5, 6]


def check_negative_frames_and_values(folder: Path) -> None:
    """A strip before frame 0, with values above 1 and below 0, is rendered to positive numbers without loss."""
    made = stage.scene()
    (folder / "plate").mkdir()
    ramp = np.linspace(-0.25, 7.5, stage.WIDTH, dtype=np.float32)[None, :].repeat(stage.HEIGHT, axis=0)
    for number in (1, 2):
        stage.write_exr(folder / "plate" / f"a{number}.exr", ramp * number)
    strip = stage.image_strip(made, folder / "plate", ["a1.exr", "a2.exr"], start=-3)
    choice = choose_strip(made, strip, rendered=True)
    assert [tuple(pair) for pair in choice.pairs] == [(-3, 0), (-2, 1)]
    target = stage.rendered(choice.order, folder)
    for number in (0, 1):
        planes = stage.read_exr(target / f"plate.{number:04d}.exr")
        assert np.abs(planes["R"] - ramp * (number + 1)).max() < 1e-6
    assert choice.colourspace == "lin_rec709_scene"


def check_movies(folder: Path, movie: str) -> None:
    """Frame for frame at the scene's own rate; at another one what shows is rendered."""
    made = stage.scene()
    strip = compat.strips_of(made.sequence_editor).new_movie("movie", movie, channel=1, frame_start=10)
    strip.colorspace_settings.name = "Non-Color"
    compat.set_handles(strip, left=13, right=20)
    choice = choose_strip(made, strip, handles=2)
    assert choice.kind is PlateKind.MOVIE and choice.path == movie and choice.size == (stage.WIDTH, stage.HEIGHT)
    assert choice.frames == "2-12" and choice.handles == (2, 2), choice
    choice.require_media()
    for frame in (10, 13, 16, 19):
        strip_shows = stage.shown_number(made, frame, folder) if frame >= 13 else None
        assert strip_shows in (None, choice.number_at(frame) - 1), (frame, strip_shows, choice)
    strip.use_reverse_frames = True
    choice = choose_strip(made, strip)
    assert stage.shown_number(made, 14, folder) == choice.number_at(14) - 1
    strip.use_reverse_frames = False
    made.render.fps = 30
    choice = choose_strip(made, strip)
    assert "24 frames a second and the scene 30" in choice.notes[0]
    shown = [stage.shown_number(made, frame, folder) for frame in range(choice.first, choice.last + 1)]
    assert _baked_numbers(choice, folder) == shown


def check_refusals(folder: Path) -> None:
    made = stage.scene()
    names = stage.sequence(folder / "plate", list(range(1, 13)))
    strip = stage.image_strip(made, folder / "plate", names, start=1)

    def refused(words: str, act: Callable[[], object]) -> None:
        try:
            act()
        except Refusal as refusal:
            assert words in str(refusal), refusal
            assert refusal.remedy
        else:
            raise AssertionError(f"not refused: {words}")

    refused("No strip is active", lambda: choose_strip(made, None))
    strip.mute = True
    refused("is muted", lambda: choose_strip(made, strip))
    strip.mute = False
    (folder / "plate" / names[4]).unlink()
    (folder / "plate" / names[5]).unlink()
    refused("2 frames are missing: 5-6", choose_strip(made, strip).require_media)
    compat.set_handles(strip, left=1, right=5)
    choose_strip(made, strip).require_media()
    strip.colorspace_settings.name = "AgX Log"
    refused("no colour space like Blender's 'AgX Log'", lambda: choose_strip(made, strip))
    strip.colorspace_settings.name = "sRGB"
    strip.directory = "//plate/"
    refused("not saved yet", lambda: choose_strip(made, strip))
    refused("not saved yet", lambda: choose_strip(made, strip, rendered=True))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    choose_strip(made, strip).require_media()
    assert choose_strip(made, strip).path == str(folder / "plate" / "sh010.####.png")
    assert (
        stage.read_number(
            stage.read_exr(stage.rendered(choose_strip(made, strip, rendered=True).order, folder) / "plate.0002.exr")[
                "R"
            ]
        )
        == 2
    )


def check_words(folder: Path) -> None:
    made = stage.scene()
    names = stage.sequence(folder / "plate", list(range(1001, 1025)))
    strip = stage.image_strip(made, folder / "plate", names, start=11)
    compat.set_handles(strip, left=15, right=25)
    strip.use_reverse_frames = True
    strip.color_saturation = 1.4
    strip.blend_type, strip.blend_alpha = "ADD", 0.5
    choice = choose_strip(made, strip, handles=3)
    words = dict(line for line in choice.words() if line[0] != "Note")
    expected = {
        "Source": "plate (image sequence)",
        "File": "sh010.####.png",
        "Range": "timeline 15-24: 10 frames, files 1008-1023",
        "Handles": "3 before, 3 after",
        "Colour": "sRGB",
    }
    assert words == expected, words
    notes = [line[1] for line in choice.words() if line[0] == "Note"]
    assert len(notes) == 3 and "backwards" in notes[0] and "Add at 50%" in notes[1] and "Colour changes" in notes[2], (
        notes
    )


def check_stills_and_odd_names(folder: Path) -> None:
    """One image, held, is one frame; files that are no sequence are rendered."""
    made = stage.scene()
    stage.write_png(folder / "still_v2.png", stage.number_picture(7))
    strip = stage.image_strip(made, folder, ["still_v2.png"], start=5)
    compat.set_handles(strip, left=5, right=12)
    choice = choose_strip(made, strip, handles=5)
    assert choice.stands_alone and choice.frames == "" and choice.path == str(folder / "still_v2.png"), choice
    choice.require_media()
    stage.write_png(folder / "other.png", stage.number_picture(8))
    odd = stage.image_strip(made, folder, ["still_v2.png", "other.png"], start=20, channel=2, name="odd")
    choice = choose_strip(made, odd)
    assert "not numbered" in choice.notes[0]
    assert _baked_numbers(choice, folder) == [7, 8]
