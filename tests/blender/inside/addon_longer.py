"""A strip made longer: from the panel's operation to a take that goes on where the plate ends."""

from __future__ import annotations

import json
from pathlib import Path

import addon
import addon_panel
import bpy
import extension
import stage
from extension import press, settings, tick_until

from secondtake_blender import compat


def wish(*, before: int, after: int) -> None:
    made = settings()
    made.operation, made.frames_before, made.frames_after = "extend", before, after


def check_longer(folder: Path) -> None:
    """New frames lie before and after those of the plate, which stay as they were; and one can go on from there."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        press("connect")
        tick_until(lambda: live.daemon == "running")
        wish(before=2, after=4)
        assert "New frames are whole" in " ".join(addon_panel.drawn("SEQUENCE_EDITOR").said)
        press("fix")
        record = addon.finish(live)
        plate, take = (compat.strips_of(made.sequence_editor)[name] for name in ("plate", "plate take"))
        assert (compat.left_handle(plate), compat.right_handle(plate)) == (11, 17)
        assert (compat.left_handle(take), compat.right_handle(take)) == (9, 21)
        assert [element.filename for element in take.elements] == [record.pattern % n for n in range(999, 1011)]
        manifest = json.loads((Path(record.folder) / "take.json").read_text())
        assert manifest["request"]["operation"] == "extend" and not manifest["request"]["matte"]
        assert [stage.shown_number(made, frame, folder) for frame in range(11, 17)] == addon.NUMBERS
        for frame, number in ((9, 999), (20, 1010)):
            file = stage.read_exr(Path(record.folder) / (record.pattern % number))
            assert abs(stage.shown(made, frame, folder)[..., 0] - file["R"]).max() < 1e-4
        first = str(record.take)
        press("on_top")
        settings().operation = "remove"
        press("fix")
        again = addon.finish(live)
        assert json.loads((Path(again.folder) / "take.json").read_text())["parent"] == first
        take = compat.strips_of(made.sequence_editor)["plate take"]
        assert (compat.left_handle(take), compat.right_handle(take)) == (9, 21)
        assert len(take.elements) == 12
        settings().take_index, settings().operation = 0, "auto"
        press("revise_take")
        settings().instruction = "greyer"
        press("fix")
        third = addon.finish(live)
        said = json.loads((Path(third.folder) / "take.json").read_text())
        assert said["revises"] == first and said["request"]["operation"] == "extend"
        assert len(list(Path(third.folder).glob("*.exr"))) == 12


def check_refusals(folder: Path) -> None:
    """What cannot be made longer is refused in one line, and nothing is altered."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="temporal")
        settings().box = (0, 0, 0, 0)
        wish(before=0, after=0)
        assert addon_panel.grey("fix", "SEQUENCE_EDITOR") == "Say how many frames to make before or after it"
        wish(before=0, after=3)
        assert addon_panel.grey("fix", "SEQUENCE_EDITOR") == "Press Connect to see which engines can"
        press("connect")
        tick_until(lambda: live.daemon == "running")
        assert addon_panel.grey("fix", "SEQUENCE_EDITOR") == "'temporal' cannot extend. Use 'standin'"
        settings().engine = "standin"
        strip = compat.strips_of(made.sequence_editor)["plate"]

        def refused(words: str) -> None:
            press("fix")
            assert words in live.line.text and live.line.is_problem, live.line
            assert not live.jobs and not settings().takes and addon.strips() == ["plate"]

        settings().handles = 8
        compat.set_handles(strip, left=11, right=15)
        refused("The strip is trimmed: its media has frames after what shows")
        compat.set_handles(strip, left=11, right=17)
        strip.use_reverse_frames = True
        refused("The plate runs backwards")
        strip.use_reverse_frames = False
        wish(before=1002, after=0)
        refused("The plate's files begin at 1001")
        settings().frames_before = 0
        settings().frames_after = 3
        press("fix")
        assert addon.finish(live).take
        settings().take_index = 0
        press("revise_take")
        settings().instruction = "longer"
        press("fix")
        assert "A revision is as long as its take" in live.line.text, live.line
        assert len(settings().takes) == 1 and not live.jobs
        assert bpy.context.scene == made
