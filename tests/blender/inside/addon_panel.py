"""What the panels say, and why buttons are grey."""

from __future__ import annotations

from pathlib import Path

import addon
import bpy
import extension
from extension import press, settings
from recording import Recording

EDITORS = ("SEQUENCE_EDITOR", "CLIP_EDITOR", "VIEW_3D", "NODE_EDITOR")


def drawn(kind: str = "SEQUENCE_EDITOR") -> Recording:
    """The body, as it is drawn in an editor of this kind."""
    extension.part("plates").forget_glance()
    layout = Recording()
    with extension.editor(kind):
        extension.part("panel_body").draw_body(layout, bpy.context)
    return layout


def grey(name: str, kind: str = "SEQUENCE_EDITOR") -> str:
    """Why a button cannot be pressed."""
    extension.part("plates").forget_glance()
    with extension.editor(kind):
        try:
            getattr(bpy.ops.secondtake, name)()
        except RuntimeError as error:
            return str(error).partition(".poll() ")[2].strip()
    return ""


def check_draw(folder: Path) -> None:
    with extension.enabled() as live:
        for kind in EDITORS:
            layout = drawn(kind)
            assert "secondtake.fix" in layout.pressed and "secondtake.connect" in layout.pressed, (kind, layout.pressed)
        assert any("No strip is active" in each for each in drawn().said), drawn().said
        addon.shot(folder, engine="standin")
        said = " ".join(drawn().said)
        for words in (
            "plate (image sequence)",
            "sh010.####.exr",
            "timeline 11-16: 6 frames, files 1001-1006",
            "Linear Rec.709",
        ):
            assert words in said, (words, said)
        for matte in extension.part("settings").MATTES:
            settings().matte = matte[0]
            for kind in EDITORS:
                drawn(kind)
        settings().matte = "BOX"
        assert not live.surveys and live.bridge is None, "drawing asked somebody"
        press("connect")
        extension.tick_until(lambda: drawn() and live.surveys)
        assert live.surveys and not any("missing" in each for each in drawn().said)
        (folder / "plate" / "sh010.1003.exr").rename(folder / "away.exr")
        live.surveys.clear()
        extension.part("surveys")._wanted.asked_key = ""
        extension.tick_until(lambda: drawn() and live.surveys)
        assert any("missing: 1003" in each for each in drawn().said), drawn().said
        (folder / "away.exr").rename(folder / "plate" / "sh010.1003.exr")
        settings().references.add().path = "//look.png"
        drawn()
        settings().references.clear()
        settings().engine_options = "frame_s=0.3"
        press("fix")
        extension.tick_until(lambda: any(job.arrived for job in live.jobs.values()))
        layout = drawn()
        assert "secondtake.cancel" in layout.pressed
        assert any("Working" in each and "of 6" in each for each in layout.said), layout.said
        record = addon.finish(live)
        press("connect") if live.daemon != "running" else None
        press("refresh_takes")
        extension.tick_until(lambda: extension.part("thumbnails").has(record.take))
        layout = drawn()
        assert any(record.take in each for each in layout.said), layout.said
        press("revise_take")
        for kind in EDITORS:
            drawn(kind)
        assert any("Revises" in each for each in drawn().said)


def check_grey(folder: Path) -> None:
    with extension.enabled():
        assert grey("fix") == "No strip is active. Select a strip in the Sequencer", grey("fix")
        assert grey("show_take") == "Choose a take in the list"
        assert grey("cancel") == "No job is under way"
        assert grey("on_plate") == "Fix is made on the plate"
        assert grey("refresh_takes") == "This .blend has no takes yet"
        assert grey("previz", "VIEW_3D") == "The scene has no camera"
        assert grey("fix", "CLIP_EDITOR").startswith("No movie clip is open"), grey("fix", "CLIP_EDITOR")
        scene = addon.shot(folder)
        settings().box = (0, 0, 0, 0)
        assert grey("fix") == "Draw a box in the preview, or choose another matte"
        settings().matte = "MASK"
        assert grey("fix") == "Choose a mask"
        settings().matte, settings().base, settings().base_take = "BOX", "REVISE", "t1"
        assert grey("fix") == "Say what shall be different"
        settings().base = "PLATE"
        scene.sequence_editor.active_strip.mute = True
        assert grey("fix") == "'plate' is muted. Unmute it, or select another strip"
        assert addon.strips() == ["plate"]
