"""What is odd or missing in the artist's own material, and a daemon or a disk that does not fit."""

from __future__ import annotations

import os
from pathlib import Path

import addon
import addon_panel
import bpy
import extension
import mattes
import stage
from addon_bad import refused
from extension import press, settings, tick_until

from secondtake_blender import compat

CONFIG = """ocio_profile_version: 2
roles:
  scene_linear: linear
  default: linear
displays:
  screen:
    - !<View> {name: plain, colorspace: linear}
colorspaces:
  - !<ColorSpace>
    name: linear
"""


def check_other_rate(folder: Path, movie: str) -> None:
    """A movie of 24 frames a second in a scene of 30: what shows is rendered, the take lies on it frame for frame."""
    with extension.enabled() as live:
        made = stage.scene(first=10, last=15)
        made.render.fps = 30
        strip = compat.strips_of(made.sequence_editor).new_movie("movie é", movie, channel=1, frame_start=10)
        strip.colorspace_settings.name = "Non-Color"
        compat.set_handles(strip, left=12, right=18)
        made.sequence_editor.active_strip = strip
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / "other rate.blend"))
        made = bpy.context.scene
        settings().box, settings().engine = (0, 0, 20, 10), "standin"
        assert any("24 frames a second and the scene 30" in each for each in addon_panel.drawn().said)
        plain = [stage.shown_number(made, frame, folder) for frame in range(12, 18)]
        press("fix")
        tick_until(lambda: not live.jobs or any(job.is_final for job in live.jobs.values()), timeout_s=80)
        addon.finish(live)
        assert addon.strips() == ["movie é", "movie é take"]
        assert [stage.shown_number(made, frame, folder) for frame in range(12, 18)] == plain
        assert len(set(plain)) > 1


def check_media_gone(folder: Path, movie: str) -> None:
    """All files of a strip, or its movie, are not there; nor is the image that shall be followed."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        (folder / "plate").rename(folder / "elsewhere")
        refused(live, "missing")
        (folder / "elsewhere").rename(folder / "plate")
        gone = folder / "gone é.mp4"
        gone.write_bytes(Path(movie).read_bytes())
        strip = compat.strips_of(made.sequence_editor).new_movie("gone", str(gone), channel=3, frame_start=11)
        made.sequence_editor.active_strip = strip
        settings().box = (20, 10, 60, 40)
        gone.unlink()
        refused(live, "gone é.mp4")


def check_unsaved_relative(folder: Path) -> None:
    """Files named relative to a .blend that lies nowhere, though takes have a folder of their own."""
    with extension.enabled() as live:
        names = stage.sequence(folder / "plate", addon.NUMBERS, suffix=".exr")
        made = stage.scene()
        strip = stage.image_strip(made, folder / "plate", names)
        made.sequence_editor.active_strip = strip
        settings().box, settings().folder = (1, 1, 20, 20), str(folder / "takes é")
        settings().engine = "standin"
        strip.directory = "//plate/"
        refused(live, "relative to a .blend that is not saved yet. Save the .blend first")
        strip.directory = f"{folder}/plate/"
        settings().matte, settings().matte_path = "FILE", "//roto.####.exr"
        refused(live, "not saved yet. Save the .blend first")


def check_mattes_beside_the_range(folder: Path) -> None:
    """Mattes that end too early, lie beside the picture, or hold nothing."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        names = stage.sequence(folder / "matte", [1001, 1002, 1003], name="roto.", suffix=".exr")
        stage.image_strip(made, folder / "matte", names, start=11, channel=4, name="short matte")
        made.sequence_editor.active_strip = compat.strips_of(made.sequence_editor)["plate"]
        settings().matte, settings().matte_strip = "STRIP", "short matte"
        refused(live, "'short matte' does not reach over the whole plate. It lacks frames 14 to 16")
        settings().matte, settings().matte_path = "FILE", str(folder / "matte" / "roto.####.exr")
        refused(live, "trim the strip to its files 1001-1003")
        settings().matte, settings().mask = "MASK", mattes.make_mask([(200, 60), (230, 60), (230, 80), (200, 80)])
        refused(live, "matte is empty", timeout_s=60)
        assert not list((folder / "takes").rglob("*.exr")), "what was rendered for it is left"
        assert not list((folder / "takes").rglob("*.blend"))
        blank = bpy.data.images.new("blank", stage.WIDTH, stage.HEIGHT, alpha=False, float_buffer=True)
        settings().matte, settings().painted = "PAINTED", blank
        refused(live, "Nothing is painted in 'blank'")
        small = bpy.data.images.new("small", 8, 8)
        settings().painted = small
        refused(live, "The painted image is 8 × 8, the plate 88 × 48")
        assert made.name == "Scene"


def check_show_config_lacks_the_space(folder: Path) -> None:
    """Blender was started before the show's configuration changed, or names a space that the show does not have."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        config = folder / "the show.ocio"
        config.write_text(CONFIG)
        os.environ["OCIO"] = str(config)
        made.sequence_editor.active_strip.colorspace_settings.name = "ACEScg"
        refused(live, "ACEScg")


def check_full_disk(folder: Path, how: str) -> None:
    """`takes` is a disk of its own and too small: the job says so and waits, or ends; nothing of it stays."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        settings().matte, settings().engine_options = "ALL", "mode=noise"
        if how == "ends":
            refused(live, "disk", timeout_s=60)
        else:
            press("fix")
            (job,) = live.jobs.values()
            tick_until(lambda: "disk" in job.line or job.is_final, timeout_s=30)
            assert not job.is_final and job.line.startswith("Waits for disk space"), extension.told()
            assert str(folder / "takes") in job.line, job.line
            press("cancel", job=job.job)
            tick_until(lambda: not live.jobs)
        assert addon.strips() == ["plate"] and not settings().takes
        assert not list((folder / "takes").rglob("*.exr")), list((folder / "takes").rglob("*"))


def check_daemon_of_another_version(folder: Path) -> None:
    """A daemon runs that speaks another protocol: named as such, with what to do."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        refused(live, "speaks protocol 1, the daemon", timeout_s=30)
        line, is_well = extension.part("connection").connection_line()
        assert "speaks protocol 1, the daemon" in line and "Update the older one" in line and not is_well, line
