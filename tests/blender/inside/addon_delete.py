"""Takes that go for good: asked about first, refused where something would be lost, and nothing else touched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import addon
import bpy
import extension
from extension import press, settings, tick_until

from secondtake_blender import compat


def check_delete(folder: Path) -> None:
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        first = make(live, seed=1)
        second = make(live, seed=2)
        takes = folder / "takes" / "sh010"
        beside = folder / "takes" / "sh010" / "notes.txt"
        beside.write_text("the artist's own")
        settings().take_index = 1
        press("show_take")
        asks_first(second[0])
        assert press("delete_take") == {"FINISHED"}
        assert addon.strips() == ["plate", "plate take"] and len(settings().takes) == 2, "before the answer came"
        tick_until(lambda: len(settings().takes) == 1 and not live.later)
        assert addon.strips() == ["plate"], "its strip has no files any more"
        assert live.line.text == f"{second[0]} is deleted", live.line
        assert not Path(second[1]).exists() and len(list(Path(first[1]).glob("*.exr"))) == len(addon.NUMBERS)
        press("refresh_takes")
        assert [record.take for record in settings().takes] == [first[0]], "it was put back into the list"
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
        assert [record.take for record in settings().takes] == [first[0]]
        assert sorted(path.name for path in takes.iterdir()) == sorted([Path(first[1]).name, "notes.txt"])
        assert made != bpy.context.scene


def check_refused(folder: Path) -> None:
    """A take that others stand on, one that the artist accepted; and one whose rendered plate another one needs."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        settings().is_rendered = True
        first = make(live, seed=1)
        settings().is_rendered = False
        press("on_top")
        second = make(live, seed=1)
        settings().take_index = 0
        said = refused(live)
        assert "is what 1 take was made on" in said and said.endswith(first[1]) and "--" not in said, said
        settings().take_index = 1
        press("show_take")
        press("accept_take")
        assert refused(live).startswith("You accepted this take, and it is in use. Delete its strip")
        compat.strips_of(made.sequence_editor).remove(compat.strips_of(made.sequence_editor)["plate take"])
        press("delete_take")
        tick_until(lambda: len(settings().takes) == 1 and not live.later)
        assert not Path(second[1]).exists()

        settings().take_index = 0
        press("revise_take")
        settings().instruction = "darker"
        third = make(live, seed=1)
        for place, index in ((third, 0), (None, 0)):
            settings().take_index = index
            press("delete_take")
            left = len(settings().takes) - 1
            tick_until(lambda left=left: len(settings().takes) == left and not live.later)
            for chore in live.chores:
                chore.finish()
            rendered = Path(f"{first[1]}.render") / "plate" / "plate.0011.exr"
            assert rendered.is_file() == (place is not None), "the plate of the take that is left"
        assert not list((folder / "takes").rglob("*.exr"))


def asks_first(take: str) -> None:
    """What a click does: Blender's own question. In the background, where nobody can answer, Blender skips it."""
    asked: list[str] = []

    def invoke_confirm(_operator: object, _event: object, **words: str) -> set[str]:
        assert set(words) <= set(bpy.types.WindowManager.bl_rna.functions["invoke_confirm"].parameters.keys())
        asked.append(words["title"])
        return {"RUNNING_MODAL"}

    context = SimpleNamespace(
        window_manager=SimpleNamespace(invoke_confirm=invoke_confirm), scene=bpy.context.scene, area=None
    )
    delete = extension.part("operators.taking").DeleteTake
    assert delete.invoke(None, context, None) == {"RUNNING_MODAL"}
    assert asked == [f"Delete {take}?"]


def make(live: object, *, seed: int) -> tuple[str, str]:
    """Press Fix; the take and its folder."""
    settings().seed = seed
    press("fix")
    tick_until(lambda: not live.jobs or any(job.is_final for job in live.jobs.values()), timeout_s=80)
    record = addon.finish(live)
    return record.take, record.folder


def refused(live: object) -> str:
    """What is said when the take cannot be deleted; nothing is."""
    before = addon.strips(), [record.take for record in settings().takes]
    live.line = None
    try:
        press("delete_take")
        tick_until(lambda: live.line is not None and live.line.is_problem)
    except RuntimeError as error:
        return str(error).removeprefix("Warning: ").strip()
    finally:
        assert (addon.strips(), [record.take for record in settings().takes]) == before
    return str(live.line.text)
