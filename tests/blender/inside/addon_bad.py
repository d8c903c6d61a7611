"""Whatever is wrong with what the artist has: one line with what to do, and nothing altered."""

from __future__ import annotations

import os
import re
from pathlib import Path

import addon
import bpy
import extension
import stage
from extension import press, settings, tick_until

from secondtake_blender import compat


def state() -> tuple[object, ...]:
    """What a refused button must leave as it was."""
    editor = bpy.context.scene.sequence_editor
    found = [(strip.name, strip.channel, dict(strip.items())) for strip in compat.strips_of(editor)] if editor else []
    return found, len(settings().takes), len(bpy.data.images), len(bpy.data.masks)


def refused(live: object, words: str, *, timeout_s: float = 20) -> None:
    """Fix says this, at once or when the daemon looked, and nothing is altered."""
    before = state()
    extension.part("plates").forget_glance()
    live.line = None
    try:
        press("fix")
        tick_until(lambda: all(job.is_settled for job in live.jobs.values()), timeout_s=timeout_s)
        said = live.line.text if live.line else " ".join(job.line for job in live.jobs.values())
    except RuntimeError as error:
        said = str(error)
    assert words in said, (words, said, extension.told())
    assert "\n" not in said.strip()
    assert not re.search(r"(?<!\S)--[a-z]", re.sub("`[^`]*`", "", said)), said
    assert state() == before, (before, state())
    for job in list(live.jobs):
        press("dismiss", job=job)


def check_bad_plates(folder: Path) -> None:
    with extension.enabled() as live:
        refused(live, "No strip is active")
        made = addon.shot(folder / "Füße & Hände", engine="standin")
        strip = made.sequence_editor.active_strip
        strip.mute = True
        refused(live, "is muted")
        strip.mute = False
        names = sorted((folder / "Füße & Hände" / "plate").iterdir())
        names[2].rename(folder / "away.exr")
        refused(live, "1003")
        (folder / "away.exr").rename(names[2])
        strip.colorspace_settings.name = "AgX Base sRGB"
        refused(live, "no colour space like")
        strip.colorspace_settings.name = "Linear Rec.709"
        extension.part("plates").forget_glance()
        settings().folder = "//takes"
        press("fix")
        assert addon.finish(live), "after all that it works, with its odd letters"
        assert addon.strips() == ["plate", "plate take"]


def check_bad_mattes(folder: Path) -> None:
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        settings().matte = "MASK"
        settings().mask = bpy.data.masks.new("Empty")
        refused(live, "The mask 'Empty' is empty")
        settings().matte, settings().matte_path = "FILE", str(folder / "none.####.exr")
        refused(live, "none.####.exr")
        stage.sequence(folder / "matte", [1, 2, 3], name="roto.", suffix=".exr")
        settings().matte_path = str(folder / "matte" / "roto.####.exr")
        refused(live, "1001")
        settings().matte, settings().box = "BOX", (500, 500, 600, 600)
        refused(live, "beside the picture")
        settings().box = (1, 1, 20, 20)
        settings().engine = "nobody"
        refused(live, "nobody")
        settings().engine, settings().engine_options = "standin", "nonsense"
        refused(live, "is no option")
        settings().engine_options = ""
        settings().references.add().path = str(folder / "look.png")
        refused(live, "look.png")
        assert made.name == "Scene"


def check_unsaved(folder: Path) -> None:
    with extension.enabled() as live:
        names = stage.sequence(folder / "plate", addon.NUMBERS, suffix=".exr")
        made = stage.scene()
        made.sequence_editor.active_strip = stage.image_strip(made, folder / "plate", names)
        settings().box = (1, 1, 20, 20)
        refused(live, "is not saved yet. Save it")
        settings().folder = str(folder / "elsewhere")
        settings().engine = "standin"
        press("fix")
        assert addon.finish(live)


def check_plate_gone(folder: Path) -> None:
    """The strip was deleted while the job ran: the take is kept in the list, and one line says why it is not shown."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        settings().engine_options = "frame_s=0.3"
        press("fix")
        compat.strips_of(made.sequence_editor).remove(made.sequence_editor.active_strip)
        record = addon.finish(live)
        assert addon.strips() == [] and record.folder
        assert "The plate's strip is gone" in live.line.text, live.line


def check_blenders_own_ocio(folder: Path) -> None:
    """A Blender with a window names its own configuration in $OCIO, where no daemon needs to reach it."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        os.environ["OCIO"] = "/nowhere/5.2/datafiles/colormanagement/config.ocio"
        press("fix")
        assert addon.finish(live)
        assert os.environ["OCIO"].startswith("/nowhere")
        os.environ["OCIO"] = str(folder / "show.ocio")
        refused(live, "show.ocio")


def check_nothing_installed(folder: Path) -> None:
    """Without a daemon on the computer the add-on is there, shows takes it knows, and says in one line what to do."""
    with extension.enabled() as live:
        addon.shot(folder)
        refused(live, "Second Take was not found")
        assert live.bridge is None and live.line is not None and "secondtake bridge --install" in live.line.text
        record = settings().takes.add()
        record.job, record.take, record.label = "ab" * 16, "t1", "the sign"
        import addon_panel

        layout = addon_panel.drawn()
        assert "the sign" in layout.said and any("Press Connect" in each for each in layout.said)
        assert not os.environ.get("DISPLAY", "")


def check_other_version(folder: Path) -> None:
    """A bridge that speaks another protocol is named as such, and nothing is altered."""
    with extension.enabled() as live:
        addon.shot(folder)
        refused(live, "bridge protocol 9")
        line, is_well = extension.part("connection").connection_line()
        assert "Update the older" in line and not is_well
