"""What every engine promises (`engines.contract`), each of them tried on the same small shot."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from secondtake.errors import Cancelled, NoSuchEngine, UsageError
from secondtake.messages import FixRequest, Operation, Reference
from secondtake_daemon.engines.anchoring import ANCHOR
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.engines.contract import Anchor, Known, Patch
from secondtake_daemon.service.intake import check

sys.path.insert(0, str(Path(__file__).parent))
from engines import ENGINES, TINY, Bench, bench, install

WHOLE: dict[Operation, dict[str, Any]] = {
    Operation.EXTEND: {"matte": ""},
    Operation.GENERATE: {"plate": "", "matte": "", "frames": "1-9", "width_px": 96, "height_px": 64, "fps": 24.0},
}
"""What makes whole frames takes no matte."""
REQUEST = FixRequest(
    job="a" * 32, shot="sh010", plate="/p/x.####.exr", matte="/m/x.exr", out="/o", operation=Operation.REMOVE
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models' records; a model is built when the first test wants it."""
    return tmp_path_factory.mktemp("contract") / "models"


@pytest.fixture(scope="module", params=ENGINES)
def on(request: pytest.FixtureRequest, models: Path) -> Iterator[Bench]:
    if request.param in TINY:
        pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")
        install(models, request.param)
    yield bench(request.param, Catalogue(models))


@pytest.fixture(scope="module")
def fresh(on: Bench, tmp_path_factory: pytest.TempPathFactory) -> list[Patch]:
    """All windows in order, from an engine that did nothing before."""
    return made(on, tmp_path_factory.mktemp("fresh"), range(len(on.windows)))


def made(on: Bench, scratch: Path, order: Any, **changes: Any) -> list[Patch]:
    """The patches of the windows, asked for in that order, given in the shot's."""
    engine, job = on.engine(), on.job(scratch, **changes)
    engine.load(job)
    patches = {index: engine.generate(on.windows[index], job) for index in order}
    engine.unload()
    return [patches[index] for index in sorted(patches)]


def test_its_card_can_be_believed(on: Bench) -> None:
    card = on.card
    assert card.operations
    assert card.needs_painted <= card.operations
    assert card.window_frames >= 1 and card.stride_px >= 1
    assert card.head_frames >= 0 and card.tail_frames >= 0
    assert not (card.head_frames or card.tail_frames) or card.steady_crop, "frames of neighbours need their crop"
    for line in (card.name, card.version, card.summary, card.licence):
        assert line.strip() and "\n" not in line
    assert card.why_not == ""
    assert on.engine().card is card


def test_a_patch_fits_its_window(on: Bench, fresh: list[Patch]) -> None:
    assert len(on.windows) >= 2, "one window proves nothing about the next"
    for window, patch in zip(on.windows, fresh, strict=True):
        assert patch.frames == window.frames
        assert patch.box == window.crop
        assert patch.pixels.shape == (len(window.frames), window.crop.height, window.crop.width, 3)
        assert patch.pixels.dtype == np.float32
        assert all(pixels.size and np.isfinite(pixels).all() for pixels in on.inside(patch))
        assert all(note.strip() and "\n" not in note for note in patch.notes)


def test_it_says_how_it_knows_if_its_card_says_so(on: Bench, fresh: list[Patch]) -> None:
    for patch in fresh:
        assert (patch.known is not None) == on.card.says_how
        for at, frame in enumerate(patch.frames if patch.known is not None else ()):
            inside = on.shot.hole(frame, patch.box) > 0
            assert set(np.unique(patch.known[at][inside])) <= set(Known) - {Known.UNSAID}
            assert not patch.known[at][~inside].any()


def test_the_same_bytes_whatever_was_asked_before(on: Bench, fresh: list[Patch], tmp_path: Path) -> None:
    last = len(on.windows) - 1
    for order in ([*range(last, -1, -1)], [last, last, 0]):
        for patch in made(on, tmp_path / str(order), order):
            (before,) = (each for each in fresh if each.frames == patch.frames)
            assert on.bytes_of(patch) == on.bytes_of(before), order


def test_it_can_be_loaded_again(on: Bench, fresh: list[Patch], tmp_path: Path) -> None:
    engine, job = on.engine(), on.job(tmp_path)
    engine.load(job)
    engine.unload()
    engine.load(job)
    assert on.bytes_of(engine.generate(on.windows[0], job)) == on.bytes_of(fresh[0])
    engine.unload()
    engine.load(job)
    assert on.bytes_of(engine.generate(on.windows[0], job)) == on.bytes_of(fresh[0])
    engine.unload()
    engine.unload()


def test_what_it_finds_out_about_the_shot_is_the_same_each_time(on: Bench) -> None:
    crop = on.windows[0].crop
    first, second = (on.engine().survey(on.shot, crop) for _ in range(2))
    assert isinstance(first, str)
    assert first == second


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["at once", "halfway", "at the end"])
def test_a_cancelled_job_ends_and_leaves_nothing_behind(
    on: Bench, fresh: list[Patch], tmp_path: Path, part: float
) -> None:
    count = steps(on, tmp_path / "count")
    assert count >= 1, "an engine that never asks cannot be cancelled"
    engine = on.engine()
    job = on.job(tmp_path / "job", step=stopping(at=1 + round(part * (count - 1))), instruction="something else")
    with pytest.raises(Cancelled, match="the artist"):
        engine.load(job)
        engine.generate(on.windows[0], job)
    again = on.job(tmp_path / "job")  # in the same worker, and in the same scratch folder
    engine.load(again)
    assert on.bytes_of(engine.generate(on.windows[0], again)) == on.bytes_of(fresh[0])
    engine.unload()


def steps(on: Bench, scratch: Path) -> int:
    """How often the first window asks whether the job was cancelled."""
    asked: list[None] = []
    engine, job = on.engine(), on.job(scratch, step=lambda: asked.append(None), instruction="something else")
    engine.load(job)
    engine.generate(on.windows[0], job)
    engine.unload()
    return len(asked)


def stopping(*, at: int) -> Callable[[], None]:
    calls = iter(range(1, at + 1))

    def step() -> None:
        if next(calls, at) == at:
            raise Cancelled("The job was cancelled by the artist")

    return step


def test_it_looks_at_no_more_than_its_card_says(on: Bench, tmp_path: Path) -> None:
    """Else a patch's content key would not hold all that it was made from."""
    engine, job = on.engine(), on.job(tmp_path)
    engine.load(job)
    for index, window in enumerate(on.windows):
        on.shot.seen.clear()
        on.shot.asked.clear()
        engine.generate(window, job)
        if not on.card.sees_shot:
            assert on.shot.seen <= {*window.frames, *on.handles[index]}
        assert on.card.references or "references" not in on.shot.asked
        assert on.card.reads_motion or "motion" not in on.shot.asked
    engine.unload()


def test_it_looks_at_what_was_made_first_if_its_card_says_so(on: Bench, fresh: list[Patch], tmp_path: Path) -> None:
    assert (ANCHOR in on.card.options) <= (on.card.looks > 0), "no picture can be shown to it"
    if ANCHOR not in on.card.options:
        return
    frame = on.windows[-1].frames[-1]
    picture = np.random.default_rng(3).random((*fresh[0].pixels.shape[1:],), np.float32)
    shown = replace(on.windows[0], anchor=Anchor(frame=frame, picture=picture))
    engine, job = on.engine(), on.job(tmp_path)
    engine.load(job)
    on.shot.seen.clear()
    patch = engine.generate(shown, job)
    engine.unload()
    assert on.shot.seen <= {*shown.frames, *on.handles[0], frame}
    assert on.bytes_of(patch) != on.bytes_of(fresh[0])


def test_words_and_seed_matter_as_its_card_says(on: Bench, fresh: list[Patch], tmp_path: Path) -> None:
    said = made(on, tmp_path / "said", [0], instruction="a red door")[0]
    assert (on.bytes_of(said) != on.bytes_of(fresh[0])) == on.card.reads_instruction
    if on.card.reads_instruction:  # one that invents, invents something else
        assert on.bytes_of(made(on, tmp_path / "seed", [0], seed=8)[0]) != on.bytes_of(fresh[0])


def test_it_writes_into_nothing_that_it_was_given(on: Bench, tmp_path: Path) -> None:
    shot = on.shot
    plates, holes = shot.plates.copy(), shot.holes.copy()
    accepted = {frame: pixels.copy() for frame, pixels in on.windows[0].accepted.items()}
    made(on, tmp_path, [0])
    assert shot.plates.tobytes() == plates.tobytes()
    assert shot.holes.tobytes() == holes.tobytes()
    assert all(on.windows[0].accepted[frame].tobytes() == before.tobytes() for frame, before in accepted.items())


def asking(on: Bench, operation: Operation, **changes: Any) -> FixRequest:
    """A request that makes sense for the operation."""
    made: dict[str, Any] = {"engine": on.card.name, "operation": operation, "instruction": "a wall"}
    if operation is Operation.EXTEND:
        made |= {"matte": "", "frames": "1001-1020"}
    if operation is Operation.GENERATE:
        made |= {"plate": "", "matte": "", "frames": "1001-1020", "width_px": 96, "height_px": 64, "fps": 24.0}
    return msgspec.structs.replace(REQUEST, **(made | changes))


@pytest.mark.parametrize("operation", Operation, ids=lambda each: each.value)
def test_what_it_cannot_do_is_refused_before_it_is_queued(on: Bench, operation: Operation) -> None:
    asked = asking(on, operation)
    asked = msgspec.structs.replace(asked, **WHOLE.get(operation, {}))
    if operation in on.card.needs_painted:
        with pytest.raises(NoSuchEngine, match="without a painted frame"):
            check(asked, roots=(), is_remote=False, catalogue=on.catalogue)
        asked = msgspec.structs.replace(asked, references=(Reference(path="/r.exr", frame=1001),))
    if operation in on.card.operations:
        assert on.catalogue.check_request(asked) == on.card
        check(asked, roots=(), is_remote=False, catalogue=on.catalogue)
        return
    with pytest.raises(NoSuchEngine, match=re.escape(f"'{on.card.name}' cannot {operation.value}")) as caught:
        check(asked, roots=(), is_remote=False, catalogue=on.catalogue)
    for able in on.catalogue.able(operation):
        assert f"'{able.name}'" in caught.value.remedy


def test_without_words_it_is_refused_where_it_needs_some(on: Bench) -> None:
    for operation in on.card.operations - on.card.needs_painted:
        for words in ("", " \n"):
            asked = asking(on, operation, instruction=words)
            if operation not in on.card.needs_words:
                on.catalogue.check_request(asked)
                continue
            with pytest.raises(UsageError, match=f"does not know what to {operation.value}") as caught:
                on.catalogue.check_request(asked)
            assert "--instruction" in caught.value.remedy
        on.catalogue.check_request(asking(on, operation, instruction="", instructions=("a wall",)))


def test_what_it_has_no_use_for_is_refused(on: Bench) -> None:
    asked = msgspec.structs.replace(REQUEST, engine=on.card.name, instruction="a wall")
    with pytest.raises(UsageError, match="no option 'nosuch'"):
        on.catalogue.check_request(msgspec.structs.replace(asked, engine_options={"nosuch": "1"}))
    if not on.card.references:
        with pytest.raises(NoSuchEngine, match="no use of reference images"):
            on.catalogue.check_request(msgspec.structs.replace(asked, references=(Reference(path="/r.exr"),)))
    for sound in ("/s/voice.WAV", "/s/rain.flac"):
        with pytest.raises(NoSuchEngine, match="No engine takes a sound") as caught:
            on.catalogue.check_request(msgspec.structs.replace(asked, references=(Reference(path=sound),)))
        assert caught.value.remedy
    if not on.card.reads_motion:
        with pytest.raises(NoSuchEngine, match="no use of motion vectors"):
            on.catalogue.check_request(msgspec.structs.replace(asked, motion="/m/v.####.exr"))


def test_one_that_cannot_run_here_says_why(on: Bench) -> None:
    """Whatever stands in the way, it is named, and nobody else is sent there."""

    class Barred(Catalogue):
        @property
        def cards(self) -> Any:
            return tuple(
                replace(card, why_not="its licence is not accepted") if card.name == on.card.name else card
                for card in super().cards
            )

    catalogue = Barred(on.catalogue._models)
    asked = msgspec.structs.replace(REQUEST, engine=on.card.name, instruction="a wall")
    with pytest.raises(NoSuchEngine, match="its licence is not accepted") as caught:
        catalogue.check_request(asked)
    assert caught.value.remedy
    assert on.card.name not in [card.name for card in catalogue.able(Operation.REMOVE)]


def test_the_daemon_reads_all_cards_and_loads_no_engine(models: Path) -> None:
    code = (
        "import sys, pathlib; from secondtake_daemon.engines.catalogue import Catalogue; "
        "cards = Catalogue(pathlib.Path(sys.argv[1])).cards; "
        "print(len(cards), sorted({'torch', 'diffusers', 'numpy', 'cv2', 'OpenEXR'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(models)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == f"{len(Catalogue(models).cards)} []"
