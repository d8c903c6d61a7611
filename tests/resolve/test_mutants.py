"""Whatever keeps the artist's state, taken away piece by piece: a written list, and each piece is missed by a test.

A mutant is a text of the plugin and what stands there instead. The test that should miss it runs against it and must
fail. (The mutants of the arithmetic are in test_ranges.py.)
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import test_bring_back_flow as back
import test_fix_flow as fix
import test_versions as versions
from desk import JOB, Desk, file_matte, make_host, make_making, shot_scene
from standin.model_project import Project
from standin.model_timeline import Timeline
from standin.world import World

from secondtake_resolve.accepting import reject, under_playhead
from secondtake_resolve.clip import Route
from secondtake_resolve.fixing import send_fix
from secondtake_resolve.refusal import Refusal

MakeWorld = Callable[..., World]
Check = Callable[[MakeWorld, Path, Path], None]
RENDERED = file_matte(route=Route.RENDER, colourspace="ACEScg")


def is_one_failure_put_back(make_world: MakeWorld, footage: Path, folder: Path) -> None:
    """The page does not open once, on the way back."""
    world = make_world()
    shot_scene(world, footage)
    before, opened = world.snapshot(), []

    def fault(at: int, name: str) -> str:
        opened.append(name == "Resolve.OpenPage")
        return "silent" if name == "Resolve.OpenPage" and sum(opened) == 2 else ""

    world.guard.fault = fault
    making = make_making(world, folder, Desk())
    send_fix(making, making.host.shot(), RENDERED, job=JOB)
    assert world.snapshot() == before


def is_a_render_of_the_artists_left_alone(make_world: MakeWorld, footage: Path, folder: Path) -> None:
    world = make_world()
    shot_scene(world, footage)
    world.quirks.rendering_already = True
    making = make_making(world, folder, Desk())
    with pytest.raises(Refusal, match="Resolve is rendering"):
        send_fix(making, making.host.shot(), RENDERED, job=JOB)
    assert "Project.SaveAsNewRenderPreset" not in world.guard.log


def is_what_was_lost_told_with_the_refusal(make_world: MakeWorld, footage: Path, folder: Path) -> None:
    world = make_world()
    shot_scene(world, footage)
    world.quirks.render = "fails"
    making = make_making(world, folder, Desk())
    world.guard.fault = lambda at, name: "silent" if name == "Project.LoadRenderPreset" else ""
    with pytest.raises(Refusal, match="did not put back the render settings"):
        send_fix(making, making.host.shot(), RENDERED, job=JOB)


def is_another_project_left_alone(make_world: MakeWorld, footage: Path, folder: Path) -> None:
    """The artist opens another project while it renders."""
    world = make_world()
    shot_scene(world, footage)
    making = make_making(world, folder, Desk())
    other = Project(world, "Another film")
    reel = Timeline(world, "Reel 1", start=0, rate=24.0)
    other.timelines, other.current = [reel], reel

    def leave(name: str) -> None:
        if name == "Project.StartRendering":
            world.project, world.timeline, world.page = other, reel, "edit"

    world.guard.before = leave
    with pytest.raises(Refusal):
        send_fix(making, making.host.shot(), RENDERED, job=JOB)
    assert world.page == "edit"
    assert reel.playhead == 0


def is_the_shots_own_timeline_rendered(make_world: MakeWorld, footage: Path, folder: Path) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    making = make_making(world, folder, desk)
    shot = making.host.shot()
    other = Timeline(world, "Reel 2", start=0, rate=24.0)
    world.project.timelines.append(other)
    world.project.current = other
    seen: list[Any] = []
    world.guard.before = lambda name: seen.append(world.project.current) if name == "Project.StartRendering" else None
    send_fix(making, shot, RENDERED, job=JOB)
    assert seen == [world.timeline]
    assert world.project.current is other


def is_what_the_artist_uses_kept(make_world: MakeWorld, footage: Path, folder: Path) -> None:
    """The artist has put our clip on another track as well, and rejects the fix."""
    world = make_world()
    back.land_one(world, footage, folder)
    (ours,) = world.items_named("FIX")
    theirs = world.add_item(ours.media, at=300, count=8)
    host = make_host(world)
    reject(host, under_playhead(host))
    assert world.item(theirs.id).media is ours.media


def whole_render(make_world: MakeWorld, footage: Path, folder: Path) -> None:
    fix.test_timeline_is_rendered_and_numbered_as_the_timeline(make_world, footage, folder)


def quirk_of_landing(make_world: MakeWorld, footage: Path, folder: Path, **quirks: object) -> None:
    words = "did not place" if "FPS" not in str(quirks) else "FPS"
    words = "Show Individual Frames" if "individual_frames" in quirks else words
    back.test_what_resolve_does_wrong_silently_is_seen(make_world, footage, folder, quirks, words)


def quirk_of_render(make_world: MakeWorld, footage: Path, folder: Path, *, quirk: str, words: str) -> None:
    fix.test_rendering_that_fails_is_told_and_nothing_is_left(make_world, footage, folder, quirk, words)


not_placed = partial(quirk_of_landing, refuses_append=True)
placed_wrong = partial(quirk_of_landing, places_off_by=1)
solo = partial(
    fix.test_tracks_that_show_while_a_plate_and_its_matte_are_rendered, is_solo=True, plate=[True] + [False] * 3
)
old_marks = partial(versions.test_whole_way_in_every_version, version=(18, 5, 0), route=Route.RENDER)
OWN: tuple[Check, ...] = (
    is_one_failure_put_back, is_a_render_of_the_artists_left_alone, is_what_was_lost_told_with_the_refusal,
    is_another_project_left_alone, is_the_shots_own_timeline_rendered, is_what_the_artist_uses_kept,
)  # fmt: skip

MUTANTS: Mapping[str, tuple[tuple[str, str, Check], ...]] = {
    "kept_state": (
        ('put_back(kept, "the timeline",', '("the timeline",', back.test_another_timeline_is_open_meanwhile),
        ('put_back(kept, "the open bin",', '("the open bin",', back.test_nothing_of_the_artists_is_altered),
        ('put_back(kept, "the page",', '("the page",', whole_render),
        ('put_back(kept, "the playhead",', '("the playhead",', back.test_nothing_of_the_artists_is_altered),
        ("_TRIES = 2", "_TRIES = 1", is_one_failure_put_back),
        ("if _is_open(host, project):", "if True:", is_another_project_left_alone),
        ("        if not kept.lost:\n            raise", "        raise", is_what_was_lost_told_with_the_refusal),
        ("    if host.is_rendering():", "    if False:", is_a_render_of_the_artists_left_alone),
        ("host.save_preset(preset)", "preset", whole_render),
        ("lambda: host.load_preset(preset)", "lambda: preset", whole_render),
        ("        if is_loaded:", "        if True:", fix.test_what_cannot_be_put_back_is_told),
        ("lambda: host.delete_preset(preset)", "lambda: preset", whole_render),
        ("lambda: host.set_render_format(wanted)", "lambda: wanted", whole_render),
        ("lambda: host.set_render_mode(mode)", "lambda: mode", whole_render),
        ("lambda: host.set_enables(enables)", "lambda: enables", solo),
        ("lambda: host.set_marks(marks)", "lambda: marks", whole_render),
        ('kept.lost.append("Resolve did not put back the in', 'len("Resolve did not put back the in', old_marks),
        ('kept.lost.append(f"Resolve did not put back {what}")', "pass", fix.test_what_cannot_be_put_back_is_told),
    ),
    "rendering": (
        (
            "_require_room(folder, job)\n    preset",
            "preset",
            fix.test_a_range_that_the_disk_has_no_room_for_is_not_rendered,
        ),
        ("_clear_leftovers(host, kept, ours, preset)\n", "pass\n", fix.test_what_a_killed_run_left_is_cleared),
        (
            'put_back(kept, "the render queue", partial(host.delete_job, job_id))',
            "pass",
            fix.test_what_a_killed_run_left_is_cleared,
        ),
        ("host.set_enables([index in tracks", "list([index in tracks", solo),
        ("lambda: _stop_ours(host, known)", "lambda: known", fix.test_cancel_while_rendering),
        ("lambda: _delete_ours(host, known, job.folder)", "lambda: known", whole_render),
        ("raise Cancelled", "pass", fix.test_cancel_while_rendering),
        ("elif state.may_be_whole:", "elif True:", partial(quirk_of_render, quirk="stalls", words="dialog")),
        ("if state.is_lost:", "if False:", partial(quirk_of_render, quirk="disk full", words="Disk full")),
        ("if not is_whole or", "if", partial(quirk_of_render, quirk="nothing", words="0 frames and not 8")),
        ("or numbers != list(", "or not list(", partial(quirk_of_render, quirk="gap", words="8 frames with a gap")),
    ),
    "landing": (
        (
            "with kept_state(host) as kept, _undone",
            "with nullcontext(Kept()) as kept, _undone",
            back.test_nothing_of_the_artists_is_altered,
        ),
        ("for step in reversed(undo):", "for step in ():", not_placed),
        ("for step in reversed(undo):", "for step in undo:", placed_wrong),
        ("undo.append(lambda: host.delete_bin(made))", "pass", not_placed),
        ("undo.append(lambda: host.delete_pool_clip(pool_id))", "pass", not_placed),
        ("undo.append(undo_track)", "pass", not_placed),
        ("undo.append(undo_item)", "pass", placed_wrong),
        ("if name in _NEEDED:", "if False:", partial(quirk_of_landing, stubborn_properties=("FPS",))),
        ("made_track=spot.needs_track", "made_track=False", back.test_reject_removes_only_ours),
        ("        raise\n", "        pass\n", not_placed),
    ),
    "accepting": (
        (
            'put_back(kept, "the take that was selected"',
            '("the take that was selected"',
            back.test_accepting_that_fails_selects_what_was_selected,
        ),
        (
            'put_back(kept, "the clip\'s takes"',
            '("the clip\'s takes"',
            back.test_accepting_that_fails_selects_what_was_selected,
        ),
        ("if not host.is_shown(pool_id):", "if True:", is_what_the_artist_uses_kept),
        ("lambda: host.delete_track(ours.track)", "lambda: ours", back.test_reject_removes_only_ours),
        ("lambda: host.delete_pool_clip(pool_id)", "lambda: pool_id", back.test_reject_removes_only_ours),
    ),
    "fixing": (
        ("        if not is_sent:", "        if False:", fix.test_what_the_daemon_refuses_leaves_nothing),
        ("shutil.rmtree(folder, ignore_errors=True)", "folder", fix.test_cancel_while_rendering),
        ("making.workplace.keep(sent)\n", "sent\n", fix.test_source_is_sent_as_it_lies),
        ("if not host.open_timeline(shot.timeline.id):", "if False:", is_the_shots_own_timeline_rendered),
        (
            "- {plan.matte.track}",
            "- {0}",
            partial(
                fix.test_tracks_that_show_while_a_plate_and_its_matte_are_rendered,
                is_solo=False,
                plate=[True, True, False, False],
            ),
        ),
        ("            raise Cancelled", "            pass", fix.test_reading_masks_is_told_and_can_be_cancelled),
    ),
    "calls.delivering": (
        (
            "if not self._is_as_asked(job_id, job):",
            "if False:",
            fix.test_a_job_with_the_artists_settings_is_never_started,
        ),
        ("StartRendering([job_id], False)", "StartRendering()", whole_render),
        (
            "Path(folder) in (target, *target.parents)",
            "str(target).startswith(folder)",
            fix.test_what_a_killed_run_left_is_cleared,
        ),
    ),
    "calls.placing": (
        ("and record_of(self._item(added[0][1])) == record:", "and True:", placed_wrong),
        ('"Frames"))) == count:', '"Frames"))) >= 0:', back.test_take_with_a_missing_frame_is_not_imported),
        ("and not any(timeline.GetItemListInTrack", "and any(timeline.GetItemListInTrack", not_placed),
    ),
}
LISTED = [
    pytest.param(name, text, mutant, check, id=f"{name}: {text.strip()[:60]}")
    for name, listed in MUTANTS.items()
    for text, mutant, check in listed
]


@pytest.mark.parametrize("check", OWN, ids=lambda check: check.__name__)
def test_state_is_kept(make_world: MakeWorld, footage: Path, tmp_path: Path, check: Check) -> None:
    check(make_world, footage, tmp_path)


@pytest.mark.parametrize(("name", "text", "mutant", "check"), LISTED)
def test_no_mutant_survives(
    make_world: MakeWorld, footage: Path, tmp_path: Path, name: str, text: str, mutant: str, check: Callable[..., None]
) -> None:
    module = importlib.import_module(f"secondtake_resolve.{name}")
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert source.count(text) == 1, "the list of mutants is older than the plugin"
    mutated = source.replace(text, mutant)
    with in_place(module, mutated), pytest.raises((Exception, pytest.fail.Exception)):
        check(make_world, footage, tmp_path)


@contextmanager
def in_place(module: ModuleType, source: str) -> Iterator[None]:
    """Give a module's functions and numbers those of another source; whoever has imported them has them too."""
    other: dict[str, Any] = {"__name__": module.__name__, "__package__": module.__package__}
    exec("from contextlib import nullcontext\n", other)  # noqa: S102 — for mutants
    exec(compile(source, f"<mutant of {module.__name__}>", "exec", dont_inherit=True), other)  # noqa: S102
    vars(module).setdefault("nullcontext", other["nullcontext"])
    codes: list[tuple[FunctionType, CodeType]] = []
    numbers = {name: value for name, value in vars(module).items() if type(value) in (int, float)}
    try:
        for real, fake in _functions(vars(module), other, module.__name__):
            codes.append((real, real.__code__))
            real.__code__ = fake.__code__
        for name in numbers:
            setattr(module, name, other[name])
        yield
    finally:
        for real, code in codes:
            real.__code__ = code
        for name, value in numbers.items():
            setattr(module, name, value)


def _functions(
    real: Mapping[str, Any], fake: Mapping[str, Any], name: str
) -> Iterator[tuple[FunctionType, FunctionType]]:
    """Pairs of the functions and methods that a module itself defines; below a context manager lies its function."""
    for key, one in real.items():
        if getattr(one, "__module__", None) != name or key not in fake:
            continue
        if isinstance(one, type):
            yield from _functions(vars(one), vars(fake[key]), name)
        elif isinstance(one, FunctionType):
            plain = getattr(one, "__wrapped__", one), getattr(fake[key], "__wrapped__", fake[key])
            if plain[0].__code__.co_freevars == plain[1].__code__.co_freevars:
                yield plain
