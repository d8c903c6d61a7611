"""Every rung of the way down when memory runs out, and that what is made on it is what would have been made anyway."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from pressure import GIB, Pressure
from studio import write_bright_shot

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipeline"))
from test_render_fix import Recorder

from secondtake.errors import Cancelled, GpuMemory
from secondtake.messages import FixRequest, FixResult, Operation
from secondtake_daemon.engines.contract import FreshWorker
from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.memory import device, holding
from secondtake_daemon.engines.diffusion.memory.ladder import Rung, State, down, load_state, save_state, state_file
from secondtake_daemon.engines.diffusion.memory.plan import Pixels, Way
from secondtake_daemon.models import shelf
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import Manifest, load

SETTINGS = {
    "steps": "2",
    "prompt_tokens": "32",
    "longest": "17",
    "head": "4",
    "tail": "5",
    "guidance": "1.0",
    "area_px": "3072",
}
FRAMES = "1001-1012"


class Place:
    """A shot, the tiny model, and nothing that was made before."""

    def __init__(self, root: Path, folder: Path, shot: Path) -> None:
        self.root, self.shot = root, shot
        self.folders = Folders(cache=root / "cache", takes=root / "takes", models=root / "models", cache_bytes=1 << 30)
        shelf.add(
            root / "models", folder, name="tiny", licence="free", licence_accepted=True, settings=SETTINGS,
            step=lambda done, total: None,
        )  # fmt: skip

    def request(self, name: str, **changes: Any) -> FixRequest:
        return FixRequest(
            job=uuid.uuid4().hex, shot="sh", plate=str(self.shot / "plate" / "sh.####.exr"),
            matte=str(self.shot / "matte" / "m.####.exr"), out=str(self.root / name), operation=Operation.REPLACE,
            instruction="a red hat", engine="tiny", frames=FRAMES, **changes,
        )  # fmt: skip

    def run(self, request: FixRequest) -> FixResult:
        return render_fix(request, take=f"t{request.job[:6]}", folders=self.folders, report=Recorder())


def take(result: FixResult) -> Manifest:
    return load(Path(result.manifest))


def content(result: FixResult) -> list[bytes]:
    return [Path(file).read_bytes() for file in result.files]


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ladder-shot")
    write_bright_shot(root)
    return root


@pytest.fixture
def place(tmp_path: Path, tiny_folder: Path, shot: Path) -> Place:
    return Place(tmp_path, tiny_folder, shot)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path, shot: Path) -> list[bytes]:
    """What is made where there is memory enough."""
    with pytest.MonkeyPatch.context() as patch:
        Pressure(patch)
        made = Place(tmp_path_factory.mktemp("fresh"), tiny_folder, shot)
        frames = content(made.run(made.request("out")))
    pipes.drop()
    return frames


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Pressure:
    return Pressure(monkeypatch)


def test_the_first_time_it_is_freed_and_done_again(place: Place, gpu: Pressure, fresh: list[bytes]) -> None:
    gpu.fails = lambda layout, run: run == 2
    result = place.run(place.request("out"))
    assert content(result) == fresh
    assert gpu.ways == [Way.RESIDENT]
    assert gpu.emptied
    notes = take(result).notes
    assert [note for note in notes if note.startswith("Memory ran out while frames ")], notes
    assert "all of the model in memory; what lay about was freed." in " ".join(notes)


def test_then_less_of_the_model_is_held(place: Place, gpu: Pressure, fresh: list[bytes]) -> None:
    gpu.fails = lambda layout, run: layout.way is Way.RESIDENT
    result = place.run(place.request("out"))
    assert content(result) == fresh, "how weights are moved changes no bit"
    assert gpu.ways == [Way.RESIDENT, Way.OFFLOAD]
    assert "it went on one part of the model at a time." in " ".join(take(result).notes)
    assert take(result).engine.version.endswith(
        " ".join(f"{name}={text}" for name, text in sorted(SETTINGS.items()))
    ), "its pixels hang on nothing else"


def test_block_by_block_is_the_last_way(place: Place, gpu: Pressure, fresh: list[bytes]) -> None:
    gpu.fails = lambda layout, run: layout.way is not Way.STREAM
    result = place.run(place.request("out"))
    assert content(result) == fresh
    assert gpu.ways == [Way.RESIDENT, Way.OFFLOAD, Way.STREAM]
    after = place.run(place.request("after", seed=1))
    gpu.fails = lambda layout, run: False
    pipes.drop()
    anew = place.run(place.request("anew", seed=1, engine_options={"guidance": "1.0"}))
    assert content(after) == content(anew), "after it, the next job is bit-equal to a fresh one"


def test_then_a_fresh_worker_goes_on(place: Place, gpu: Pressure, fresh: list[bytes]) -> None:
    """The first window is done when memory runs out: it counts."""
    request, patches = place.request("out"), place.folders.cache / "patches"
    gpu.fails = lambda layout, run: any(file.is_file() for file in patches.rglob("*"))
    with pytest.raises(FreshWorker, match="a fresh worker waits until there is room"):
        place.run(request)
    gpu.fails = lambda layout, run: False
    pipes.drop()
    before = gpu.runs
    result = place.run(request)
    assert content(result) == fresh
    assert gpu.runs - before == int(SETTINGS["steps"]), "one window of the two is made"
    assert gpu.ways[-1] is Way.STREAM, "it begins where it stopped"
    assert "a fresh worker" in " ".join(take(result).notes)


def test_then_the_whole_shot_is_made_smaller(place: Place, gpu: Pressure, fresh: list[bytes]) -> None:
    request = place.request("out")
    gpu.fails = lambda layout, run: level_of(place) == 0
    with pytest.raises(FreshWorker):
        place.run(request)
    pipes.drop()
    result = place.run(request)
    made = take(result)
    assert " area_px=" in made.engine.version
    said = " ".join(made.notes)
    assert "For want of memory the model worked on " in said
    assert "less is made at once, of the whole shot" in said
    assert content(result) != fresh
    gpu.fails = lambda layout, run: False
    again = place.run(place.request("again"))
    assert content(again) == fresh, "the form it was made in is in the key: this one is made, not found"
    assert set(take(again).patches).isdisjoint(made.patches)


def level_of(place: Place) -> int:
    """At which the job works, from its own file."""
    (file,) = place.folders.cache.rglob(state_file(Path(), "tiny").name)
    return load_state(file, default=lambda: pytest.fail("no state")).level


def test_at_the_end_it_says_so_and_leaves_nothing(place: Place, gpu: Pressure) -> None:
    gpu.fails = lambda layout, run: True
    request = place.request("out")
    with pytest.raises(FreshWorker):
        place.run(request)
    with pytest.raises(GpuMemory, match="The GPU ran out of memory, and 'tiny' has no form that needs less") as caught:
        place.run(request)
    assert type(caught.value) is GpuMemory
    assert caught.value.exit_status == 14
    assert "Close other programs" in caught.value.remedy
    assert not (place.root / "out").exists()


@pytest.mark.parametrize("words", [
    "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
    "CUDA error: out of memory",
])  # fmt: skip
def test_without_a_gpu_there_is_only_less(
    place: Place, monkeypatch: pytest.MonkeyPatch, words: str, fresh: list[bytes]
) -> None:
    ram = Pressure(monkeypatch, gib=64, has_gpu=False)
    ram.raises = lambda: RuntimeError(words)
    ram.fails = lambda layout, run: run == 1
    assert content(place.run(place.request("out"))) == fresh
    ram.raises = MemoryError
    ram.fails = lambda layout, run: True
    with pytest.raises(GpuMemory, match="The machine ran out of memory"):
        place.run(place.request("never", seed=3))
    assert set(ram.ways) == {Way.RESIDENT}


def test_other_errors_are_not_taken_for_it(place: Place, gpu: Pressure) -> None:
    gpu.raises = lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    gpu.fails = lambda layout, run: True
    with pytest.raises(RuntimeError, match="mat1"):
        place.run(place.request("out"))
    assert gpu.ways == [Way.RESIDENT]


def test_it_waits_for_memory_that_others_hold(
    place: Place, gpu: Pressure, monkeypatch: pytest.MonkeyPatch, fresh: list[bytes]
) -> None:
    whole, slept = gpu.now, []
    gpu.now = replace(whole, free_bytes=GIB // 4)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            gpu.now = whole

    monkeypatch.setattr(holding.time, "sleep", sleep)
    result = place.run(place.request("out"))
    assert len(slept) == 3
    assert content(result) == fresh, "what others hold changes no pixel"
    gpu.now = replace(whole, free_bytes=GIB // 4)
    monkeypatch.setattr(holding, "WAIT_S", 0.0)
    with pytest.raises(GpuMemory, match=r"0\.2 of 12\.0 GiB are free, and 'tiny' needs 0\.\d"):
        place.run(place.request("never", seed=3))


def test_a_cancel_ends_the_waiting(place: Place, gpu: Pressure, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.now = replace(gpu.now, free_bytes=0)
    slept: list[float] = []

    class Cancelling(Recorder):
        def step(self) -> None:
            if slept:
                raise Cancelled("The job was cancelled")

    monkeypatch.setattr(holding.time, "sleep", slept.append)
    request = place.request("out")
    with pytest.raises(Cancelled):
        render_fix(request, take="tcancel", folders=place.folders, report=Cancelling())
    assert len(slept) == 1


def test_rungs_come_in_order() -> None:
    state = State.at(Pixels(area_px=100, longest=17), level=2)
    seen = []
    for lower in (Way.OFFLOAD, Way.OFFLOAD, Way.STREAM, Way.STREAM, None, None, None, None):
        rung, state = down(state, has_gpu=True, now=Way(state.way), lower=lower)
        seen.append(rung)
    free = Rung.FREE
    assert seen == [free, Rung.WAY, free, Rung.WAY, free, Rung.RESTART, free, Rung.PIXELS]
    assert (state.after, state.way) == (2, int(Way.STREAM))
    alone = down(State.at(Pixels(area_px=1, longest=1), level=0), has_gpu=False, now=Way.RESIDENT, lower=None)[1]
    assert down(alone, has_gpu=False, now=Way.RESIDENT, lower=None)[0] is Rung.PIXELS


def test_a_spoiled_state_is_none(tmp_path: Path) -> None:
    file = state_file(tmp_path / "job", "a.b-c")
    state = State.at(Pixels(area_px=1, longest=5, tile_px=256), level=1, notes=("x.",))
    save_state(file, state)
    assert load_state(file, default=lambda: pytest.fail("it was kept")) == state
    file.write_bytes(b"{")
    other = State.at(Pixels(area_px=2, longest=5), level=0)
    assert load_state(file, default=lambda: other) == other
    assert load_state(file, default=lambda: state) == other


def test_what_is_out_of_memory() -> None:
    assert device.is_out_of_memory(MemoryError())
    assert not device.is_out_of_memory(ValueError("out of memory"))
    assert not device.is_out_of_memory(Cancelled("The job was cancelled"))
