"""The way back: imported, placed, marked; accepted, kept or rejected; and all as it was whatever fails."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from desk import JOB, Desk, file_matte, make_host, make_making, shot_scene, take_files
from standin.model_timeline import Item, Timeline
from standin.spec import Contract
from standin.world import World

from secondtake_resolve.accepting import accept_take, reject, under_playhead, withdraw_take
from secondtake_resolve.clip import Route
from secondtake_resolve.fixing import send_fix
from secondtake_resolve.flow_bring_back import Result
from secondtake_resolve.landing import Landed, land
from secondtake_resolve.refusal import Refusal
from secondtake_resolve.workplace import Sent, Workplace

MakeWorld = Callable[..., World]


def sent_from(world: World, footage: Path, folder: Path, *, route: Route = Route.SOURCE) -> tuple[Sent, Item]:
    item = shot_scene(world, footage)
    making = make_making(world, folder, Desk())
    sent, _ = send_fix(making, making.host.shot(), file_matte(route=route, colourspace="ACEScg", handles=2), job=JOB)
    return sent, item


def take_of(sent: Sent) -> Result:
    """The take with its handles, as the daemon makes it."""
    return take_files(Path(sent.out), range(sent.frames.start - 2, sent.frames.end + 2))


def land_one(world: World, footage: Path, folder: Path, *, route: Route = Route.SOURCE) -> tuple[Sent, Item, Landed]:
    sent, item = sent_from(world, footage, folder, route=route)
    return sent, item, land(make_host(world), Workplace(folder), sent, take_of(sent))


def test_take_lies_over_the_clip_frame_for_frame(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    sent, item, landed = land_one(world, footage, tmp_path)
    (ours,) = world.items_named("FIX")
    assert (ours.start, ours.count, ours.left) == (item.start, item.count, 0)
    assert ours.media is not None
    assert ours.media.properties["File Path"].endswith("sh010.t3k9x0c.[1005-1012].exr")
    assert (ours.media.rate, ours.media.properties["Alpha mode"]) == (24.0, "None")
    assert [folder.name for folder in world.project.pool.root.below()] == ["Master", "Second Take", "sh010"]
    assert world.project.pool.root.folders[0].folders[0].clips == [ours.media]
    assert (ours.colour, ours.grade, item.grade) == ("Violet", "warm", "warm")
    assert landed.is_placed
    assert Workplace(tmp_path).waiting(world.project.id) == ()
    assert sent.tag.take == ""


def test_nothing_of_the_artists_is_altered(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    shot_scene(world, footage)
    before = world.snapshot()
    world2 = make_world()
    land_one(world2, footage, tmp_path)
    after = world2.snapshot()
    tracks = after["timelines"][0]["tracks"]
    assert tracks[:-1] == before["timelines"][0]["tracks"]
    for part in ("page", "bin", "render", "presets", "jobs", "running"):
        assert after[part] == before[part], part
    assert after["timelines"][0]["playhead"] == before["timelines"][0]["playhead"]


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(0, 200_000),
    rate=st.sampled_from([23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0]),
    at=st.integers(0, 50),
    count=st.integers(1, 8),
    left=st.integers(0, 8),
    handles=st.integers(0, 12),
    route=st.sampled_from(Route),
    drop_frame=st.booleans(),
)
def test_placed_frames_are_the_planned_ones(
    contract: Contract, tmp_path_factory: pytest.TempPathFactory, start: int, rate: float, at: int, count: int,
    left: int, handles: int, route: Route, drop_frame: bool,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("placed")
    world = World(contract, start=start, rate=rate, drop_frame=drop_frame and rate in (29.97, 59.94))
    for number in range(1001, 1017):
        (folder / f"sh.{number}.exr").touch()
    media = world.add_media("sh.[1001-1016].exr", str(folder / "sh.[1001-1016].exr"), frames=16, Start="1001")
    item = world.add_item(media, at=at, count=count, left=left)
    world.timeline.playhead = item.start
    making = make_making(world, folder / "work", Desk())
    wish = file_matte(route=route, colourspace="ACEScg", handles=handles)
    sent, _ = send_fix(making, making.host.shot(), wish, job=JOB)
    land(making.host, making.workplace, sent, take_of(sent))
    (ours,) = world.items_named("FIX")
    assert (ours.start, ours.end) == (item.start, item.end)
    assert ours.media is not None
    first = 1001 + left if route is Route.SOURCE else item.start
    assert (int(ours.media.properties["Start"]), ours.media.frames) == (first, count)


@pytest.mark.parametrize("fault", ["silent", "raise"])
def test_landing_leaves_nothing_behind_with_each_call_failing_in_turn(
    make_world: MakeWorld, footage: Path, tmp_path: Path, fault: str
) -> None:
    scene = make_world()
    sent, _ = sent_from(scene, footage, tmp_path)
    result, work = take_of(sent), Workplace(tmp_path)
    before, base, good = scene.snapshot(), len(scene.guard.log), copy.deepcopy(scene)
    land(make_host(good), work, sent, result)
    calls, failed = len(good.guard.log) - base, 0
    for number in range(calls):
        world = copy.deepcopy(scene)
        world.guard.fault = lambda at, name, wanted=base + number: fault if at == wanted else ""
        try:
            land(make_host(world), work, sent, result)
        except Exception as error:  # noqa: BLE001 — whatever it is, it is looked at
            failed += 1
            assert isinstance(error, Refusal) or type(error).__name__ == "Dead", (number, error)
            assert world.snapshot() == before, (number, world.guard.log[base + number], error)
        else:
            (ours,) = world.items_named("FIX")
            assert ours.markers
    assert failed > 10


@pytest.mark.parametrize("fault", ["silent", "raise"])
@pytest.mark.parametrize("act", [accept_take, reject])
def test_accepting_is_whole_or_not_at_all_with_each_call_failing_in_turn(
    make_world: MakeWorld, footage: Path, tmp_path: Path, act: Callable[..., object], fault: str
) -> None:
    scene = make_world()
    land_one(scene, footage, tmp_path)
    ours = under_playhead(make_host(scene))
    before, base, good = scene.snapshot(), len(scene.guard.log), copy.deepcopy(scene)
    act(make_host(good), ours)
    calls, done = len(good.guard.log) - base, good.snapshot()["timelines"]
    assert done != before["timelines"]
    for number in range(calls):
        world = copy.deepcopy(scene)
        host = make_host(world)
        world.guard.fault = lambda at, name, wanted=base + number: fault if at == wanted else ""
        try:
            told = act(host, ours)
        except Exception as error:  # noqa: BLE001 — whatever it is, it is looked at
            assert isinstance(error, Refusal) or type(error).__name__ == "Dead", (number, error)
            assert world.snapshot() == before, (number, world.guard.log[base + number], error)
        else:
            assert world.snapshot()["timelines"] == done or told, (number, world.guard.log[base + number])


def landing(world: World, sent: Sent, result: Result, work: Workplace) -> None:
    land(make_host(world), work, sent, result)


def accepting(world: World, sent: Sent, result: Result, work: Workplace) -> None:
    accept_take(make_host(world), under_playhead(make_host(world)))


def rejecting(world: World, sent: Sent, result: Result, work: Workplace) -> None:
    reject(make_host(world), under_playhead(make_host(world)))


@pytest.mark.parametrize("fault", ["lies", "shy"])
@pytest.mark.parametrize("act", [landing, accepting, rejecting])
def test_what_resolve_says_of_a_write_is_not_believed(
    make_world: MakeWorld, footage: Path, tmp_path: Path, act: Callable[..., None], fault: str
) -> None:
    scene = make_world()
    sent, _ = sent_from(scene, footage, tmp_path)
    result, work = take_of(sent), Workplace(tmp_path)
    if act is not landing:
        landing(scene, sent, result, work)
    before, base, good = scene.snapshot(), len(scene.guard.log), copy.deepcopy(scene)
    act(good, sent, result, work)
    done, tracks = good.snapshot(), good.snapshot()["timelines"][0]["tracks"]
    writes = [at for at, name in enumerate(good.guard.log) if at >= base and good.guard.is_silent_write(name)]
    assert len(writes) > 2
    for number in writes:
        world = copy.deepcopy(scene)
        world.guard.fault = lambda at, name, number=number: fault if at == number else ""
        try:
            act(world, sent, result, work)
        except Refusal:
            assert world.snapshot() == before, (number, good.guard.log[number])
        else:
            now = world.snapshot()
            is_copied = good.guard.log[number].endswith((".SetProperty", ".CopyGrades"))  # only said, never refused
            assert len(now["timelines"][0]["tracks"]) == len(tracks)
            assert now == done or is_copied, (number, good.guard.log[number])


def test_accepted_take_lies_under_the_grade_and_can_be_withdrawn(
    make_world: MakeWorld, footage: Path, tmp_path: Path
) -> None:
    world = make_world()
    _, item, _ = land_one(world, footage, tmp_path)
    original = item.media
    host = make_host(world)
    assert accept_take(host, under_playhead(host)) == ()
    assert [each.id for each in item.takes] == [original.id if original else "", item.media.id if item.media else ""]
    assert (item.selected_take, item.grade) == (2, "warm")
    assert "FIX" not in [track.name for track in world.timeline.tracks]
    assert "TimelineItem.FinalizeTake" not in world.guard.log
    withdraw_take(host, item.id)
    assert item.media is original
    assert [clip for folder in world.project.pool.root.folders[0].below() for clip in folder.clips] == []


def test_second_take_of_a_clip_that_has_one(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    _, item, _ = land_one(world, footage, tmp_path)
    host = make_host(world)
    accept_take(host, under_playhead(host))
    making = make_making(world, tmp_path, Desk())
    item.media = item.takes[0]
    item.selected_take = 1
    sent, _ = send_fix(making, making.host.shot(), file_matte(), job=JOB[::-1])
    land(host, making.workplace, sent, replace(take_of(sent), take="b2"))
    accept_take(host, under_playhead(host))
    assert (len(item.takes), item.selected_take) == (3, 3)
    first, shown = item.takes[1], item.takes[2]
    withdraw_take(host, item.id)  # the one that shows
    assert (item.takes[1:], item.selected_take) == ([first], 1)
    assert shown not in [clip for folder in world.project.pool.root.below() for clip in folder.clips]


def test_a_clip_that_shows_a_take_keeps_its_name(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    _, item, _ = land_one(world, footage, tmp_path)
    making = make_making(world, tmp_path, Desk())
    accept_take(making.host, under_playhead(making.host))
    shot = making.host.shot()
    assert shot.clip.id == item.id
    assert shot.clip.media is not None
    assert "t3k9x0c" in shot.clip.media.path
    sent, _ = send_fix(making, shot, file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB[::-1])
    assert sent.tag.shot == "sh010"
    assert Path(sent.folder).parent.name == "sh010"


def test_rendered_frames_are_not_put_under_the_grade(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    land_one(world, footage, tmp_path, route=Route.RENDER)
    (ours,) = world.items_named("FIX")
    assert ours.grade == "none"
    host = make_host(world)
    before = world.snapshot()
    with pytest.raises(Refusal, match="graded twice"):
        accept_take(host, under_playhead(host))
    assert world.snapshot() == before


def test_reject_removes_only_ours(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    shot_scene(world, footage)
    before = world.snapshot()["timelines"]
    world = make_world()
    land_one(world, footage, tmp_path)
    host = make_host(world)
    reject(host, under_playhead(host))
    after = world.snapshot()
    assert after["timelines"] == before
    assert all(not clips for _, name, clips in after["bins"] if name != "Master")


def test_two_fixes_share_the_track_where_it_is_free(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    sent, item, _ = land_one(world, footage, tmp_path)
    host, work = make_host(world), Workplace(tmp_path)
    land(host, work, replace(sent, tag=replace(sent.tag, job="b")), take_of(sent))
    assert [track.name for track in world.timeline.tracks].count("FIX") == 2
    world.move(item, by=400)
    land(host, work, replace(sent, tag=replace(sent.tag, job="c")), take_of(sent))
    assert [len(track.items) for track in world.timeline.tracks if track.name == "FIX"] == [2, 1]


def moved(world: World, item: Item) -> None:
    world.move(item, by=200)


def rebuilt(world: World, item: Item) -> None:
    item.id = "another"
    world.move(item, by=200)


@pytest.mark.parametrize("act", [moved, rebuilt])
def test_moved_clip_gets_its_take_at_its_new_place(
    make_world: MakeWorld, footage: Path, tmp_path: Path, act: Callable[[World, Item], None]
) -> None:
    world = make_world()
    sent, item = sent_from(world, footage, tmp_path)
    act(world, item)
    landed = land(make_host(world), Workplace(tmp_path), sent, take_of(sent))
    (ours,) = world.items_named("FIX")
    assert ours.start == item.start
    assert "moved" in " ".join(landed.words)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda world, item: world.delete(item), "gone"),
        (lambda world, item: world.trim(item, head=2), "trimmed"),
        (lambda world, item: setattr(item, "media", world.project.pool.root.clips[1]), "another media"),
        (lambda world, item: setattr(item, "speed", 50.0), "retimed"),
        (lambda world, item: _other_timeline(world), "gone"),
    ],
)
def test_clip_that_is_no_longer_itself_gets_the_take_in_the_bin_only(
    make_world: MakeWorld, footage: Path, tmp_path: Path, act: Callable[[World, Item], None], words: str
) -> None:
    world = make_world()
    sent, item = sent_from(world, footage, tmp_path)
    act(world, item)
    before = world.snapshot()["timelines"]
    landed = land(make_host(world), Workplace(tmp_path), sent, take_of(sent))
    assert not landed.is_placed
    assert words in " ".join(landed.words)
    assert "media pool" in " ".join(landed.words)
    assert world.snapshot()["timelines"] == before
    assert [len(folder.clips) for folder in world.project.pool.root.below()][-1] == 1


def _other_timeline(world: World) -> None:
    other = Timeline(world, "Reel 2", start=0, rate=24.0)
    world.project.timelines, world.project.current = [other], other


def test_another_timeline_is_open_meanwhile(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    sent, _ = sent_from(world, footage, tmp_path)
    other = Timeline(world, "Reel 2", start=0, rate=24.0)
    world.project.timelines.append(other)
    world.project.current = other
    assert land(make_host(world), Workplace(tmp_path), sent, take_of(sent)).is_placed
    assert world.project.current is other
    assert len(world.items_named("FIX")) == 1


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        ({"individual_frames": True}, "Show Individual Frames"),
        ({"refuses_append": True}, "did not place"),
        ({"places_off_by": 1}, "did not place"),
        ({"stubborn_properties": ("FPS",)}, "FPS"),
        ({"stubborn_properties": ("Alpha mode",)}, "Alpha mode"),
    ],
)
def test_what_resolve_does_wrong_silently_is_seen(
    make_world: MakeWorld, footage: Path, tmp_path: Path, quirks: dict[str, object], words: str
) -> None:
    world = make_world(rate=25.0)
    sent, _ = sent_from(world, footage, tmp_path)
    before = world.snapshot()
    for name, value in quirks.items():
        setattr(world.quirks, name, value)
    with pytest.raises(Refusal, match=words):
        land(make_host(world), Workplace(tmp_path), sent, take_of(sent))
    assert world.snapshot() == before


def test_stale_number_of_tracks(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    world.quirks.stale_tracks = True
    _, item, _ = land_one(world, footage, tmp_path)
    assert [each.start for each in world.items_named("FIX")] == [item.start]


def opened_another(world: World, item: Item) -> None:
    other = Timeline(world, "Reel 2", start=0, rate=24.0)
    world.project.timelines.append(other)
    world.project.current = other


def gone_on(world: World, item: Item) -> None:
    world.page = "fairlight"
    world.timeline.playhead = world.timeline.start


@pytest.mark.parametrize("act", [gone_on, opened_another, lambda world, item: world.delete(item)])
def test_the_artist_goes_on_while_the_take_lands(
    make_world: MakeWorld, footage: Path, tmp_path: Path, act: Callable[[World, Item], None]
) -> None:
    scene = make_world()
    sent, item = sent_from(scene, footage, tmp_path)
    result, work, good = take_of(sent), Workplace(tmp_path), copy.deepcopy(scene)
    land(make_host(good), work, sent, result)
    calls = len(good.guard.log) - len(scene.guard.log)
    for number in range(0, calls, 5):
        world = copy.deepcopy(scene)
        theirs = world.snapshot()["timelines"][0]["tracks"]
        left = [number]

        def before(name: str, world: World = world, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == -1:
                act(world, next(each for each in world.timeline.tracks[0].items if each.id == item.id))

        world.guard.before = before
        with suppress(Refusal):
            land(make_host(world), work, sent, result)
        now = world.snapshot()["timelines"][0]["tracks"]
        assert len(now) - len(theirs) == len(world.items_named("FIX"))  # no empty track of ours is left
        assert [track for track in now[:2] if track not in theirs] == [] or act not in (gone_on, opened_another)


def test_take_with_a_missing_frame_is_not_imported(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    sent, _ = sent_from(world, footage, tmp_path)
    result = take_of(sent)
    before = world.snapshot()
    with pytest.raises(Refusal, match="lacks frame 1006"):
        land(
            make_host(world), Workplace(tmp_path), sent,
            replace(result, frames=tuple(frame for frame in result.frames if frame != 1006)),
        )  # fmt: skip
    (Path(result.folder) / "sh010.t3k9x0c.1006.exr").unlink()
    with pytest.raises(Refusal, match="2 clips"):
        land(make_host(world), Workplace(tmp_path), sent, result)
    result = take_of(sent)
    (Path(result.folder) / "sh010.t3k9x0c.1012.exr").unlink()
    with pytest.raises(Refusal, match="did not import"):
        land(make_host(world), Workplace(tmp_path), sent, result)
    assert world.snapshot() == before


def test_accepting_that_fails_selects_what_was_selected(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    _, item, _ = land_one(world, footage, tmp_path)
    assert item.media is not None
    item.takes, item.selected_take = [item.media, item.media, item.media], 2
    host, before = make_host(world), world.snapshot()
    world.guard.fault = lambda at, name: "silent" if name == "Timeline.DeleteClips" else ""
    with pytest.raises(Refusal, match="remove the take"):
        accept_take(host, under_playhead(host))
    assert world.snapshot() == before


def test_a_track_of_ours_below_the_clip_is_not_used(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    sent, item = sent_from(world, footage, tmp_path)
    world.delete(item)
    world.timeline.tracks[1].items.append(item)
    world.timeline.tracks[0].name = "FIX"
    land(make_host(world), Workplace(tmp_path), sent, take_of(sent))
    assert [track.name for track in world.timeline.tracks] == ["FIX", "Video 2", "FIX"]
    assert len(world.timeline.tracks[2].items) == 1


def test_a_locked_track_of_ours_is_not_used(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    sent, _, _ = land_one(world, footage, tmp_path)
    world.timeline.tracks[2].items.clear()
    world.timeline.tracks[2].is_locked = True
    land(make_host(world), Workplace(tmp_path), sent, take_of(sent))
    assert [len(track.items) for track in world.timeline.tracks[2:]] == [0, 1]
