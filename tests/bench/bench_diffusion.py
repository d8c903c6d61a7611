"""VACE at its real sizes: `python tests/bench/bench_diffusion.py [--models 1.3b,14b] [--steps 3] [--write]`.

On a GPU with random weights, since neither memory nor time hang on what the weights are: peak and seconds of a step
against the plan, our path over the bare pipeline, block by block against resident, how soon a cancel ends it, and the
way down when memory really runs out. 14B needs 40 GB of disk for a while. Without a GPU the same is run with a tiny
model, to show that it runs, and what a GPU would need is predicted, checked by tracing every allocation of the real
architecture. With --write the table goes into docs/performance.md.
"""

# ruff: noqa: ANN401, E402 — what comes from torch has no type here; our own modules lie in three folders
from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "diffusion"), str(HERE.parent / "quality")]

from array_shots import ArrayShot
from report import write_tables
from rows import Choice, Row
from tiny import byte_tokenizer
from traced import Live
from vace_sizes import MODELS, Size, save, weights_of

from secondtake.boxes import Box
from secondtake.messages import Operation, Quality
from secondtake_daemon.engines.contract import FreshWorker, Job, Replan, Window
from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.engine import DiffusionEngine
from secondtake_daemon.engines.diffusion.families import wan_vace
from secondtake_daemon.engines.diffusion.memory import device
from secondtake_daemon.engines.diffusion.memory.fit import task_of
from secondtake_daemon.engines.diffusion.memory.metering import Meter
from secondtake_daemon.engines.diffusion.memory.placing import Layout, cut_in_tiles
from secondtake_daemon.engines.diffusion.memory.plan import (
    Asked,
    Machine,
    Pixels,
    Plan,
    Way,
    plan_memory,
    step_flop,
    tokens_of,
)
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.engines.diffusion.tap import observed
from secondtake_daemon.engines.installed import card_of
from secondtake_daemon.models import shelf

GIB = 1 << 30
CANVASES = {"480p81": (832, 480, 81), "720p81": (1280, 720, 81)}
TINY = {"tiny": (64, 48, 9)}
GPUS = ((8, 25), (12, 60), (24, 120), (48, 140), (80, 420), (141, 450))
"""GiB and effective 16-bit TFLOP/s of the cards that people have."""
_KEEP = {"head": "8", "tail": "9"}


def measure(choice: Choice) -> list[Row]:
    """With a GPU what it does, without one what it would need."""
    names = [name for name in MODELS if name != "tiny" and choice.has(name)]
    if torch.cuda.is_available():
        return [row for name in names for row in _measured(name, CANVASES, steps=3)]
    tiny = _measured("tiny", TINY, steps=4) if choice.has("tiny") else []
    return [*tiny, *(row for name in names for row in _predicted(name))]


def _measured(name: str, canvases: dict[str, tuple[int, int, int]], *, steps: int) -> list[Row]:
    size, rows = MODELS[name], []
    with tempfile.TemporaryDirectory(prefix="secondtake-bench-") as temp:
        root = Path(temp)
        save(root / "model", size, tokenizer=lambda: byte_tokenizer(pad="<pad>", eos="</s>", unk="<unk>"))
        for title, (width, height, length) in canvases.items():
            bench = _Bench(root, name, width=width, height=height, length=length, steps=steps)
            rows += bench.rows(f"{size.title}, {title}")
    pipes.drop()
    return rows


class _Bench:
    """One model at one size, in a folder of its own."""

    def __init__(self, root: Path, name: str, *, width: int, height: int, length: int, steps: int) -> None:
        handles = _KEEP if length > 25 else {"head": "4", "tail": "1"}
        given = {
            "area_px": str(width * height), "longest": str(length), "steps": str(steps), "guidance": "1.0",
            "prompt_tokens": "512", **handles,
        }  # fmt: skip
        self.root, self.steps, self.size = root / f"{width}x{height}", steps, (width, height, length)
        model = shelf.add(
            self.root / "models", root / "model", name=name, licence="free", licence_accepted=True, settings=given,
            step=lambda done, total: None,
        )  # fmt: skip
        self.card = card_of(model, wan_vace.FAMILY)
        frames = self.card.window_frames
        rng = np.random.default_rng(0)
        holes = np.zeros((frames, height, width), np.float32)
        holes[:, height // 3 : height // 2, width // 3 : width // 2] = 1
        self.shot = ArrayShot(rng.random((frames, height, width, 3), np.float32), holes)
        self.crop = Box(0, 0, width, height)
        self.window = Window(index=0, frames=self.shot.frames, crop=self.crop, shot=self.shot)
        self.device = device.here()

    def job(self, name: str, *, step: Callable[[], None] = lambda: None) -> Job:
        scratch = self.root / name
        scratch.mkdir(parents=True, exist_ok=True)
        return Job(
            operation=Operation.REPLACE, instruction="a red hat", quality=Quality.FINAL, seed=1, options={},
            scratch=scratch, kept=self.root / "kept", step=step,
        )  # fmt: skip

    def engine(self) -> DiffusionEngine:
        made = DiffusionEngine(self.card)
        made.survey(self.shot, self.crop)
        return made

    def rows(self, what: str) -> list[Row]:
        task = task_of(
            self.card, job=self.job("plan"), crop=self.crop, frames=len(self.shot.frames),
            machine=self.device.machine(),
        )  # fmt: skip
        plan = task.plan()
        engine, ours = self.engine(), []
        engine.load(self.job("ours"))
        for _ in range(3):
            began = time.perf_counter()
            engine.generate(self.window, self.job("ours"))
            ours.append(time.perf_counter() - began)
        meter, bare_s = self._bare(plan)
        found = meter.found(forwards=self.steps)
        assert found is not None, "it has too few steps to be measured"
        tokens = tokens_of(task.weights, width=plan.width, height=plan.height, length=plan.length)
        step_s = step_flop(task.weights, tokens) / task.machine.flops
        rows = [
            _row(what, f"step, {plan.way.words}", found.forward_s, "s", rival="the plan", beside=step_s),
            _row(what, "our path over the bare pipeline", 100 * (min(ours) / bare_s - 1), "%", goal="≤ 2 %", most=2.0),
        ]
        if task.machine.has_gpu:
            peak = self._peak(engine)
            rows.append(_row(what, "peak", peak / GIB, "GiB", rival="the plan", beside=plan.memory_bytes / GIB))
            rows += self._streamed(what, plan)
        rows += self._cancelled(what, engine)
        rows += self._out_of_memory(what, plan) if task.machine.has_gpu else []
        return rows

    def _run(self) -> Run:
        caught: list[Run] = []
        engine = self.engine()
        engine.load(self.job("ours"))

        def catch(run: Run, *_: object) -> Any:
            caught.append(run)
            raise _Caught

        engine._run = catch  # type: ignore[method-assign]
        with suppress(_Caught):
            engine.generate(self.window, self.job("ours"))
        return caught[0]

    def _bare(self, plan: Plan) -> tuple[Meter, float]:
        """The pipeline called as its makers say, with nothing of ours around it; then once under the meter."""
        run = self._run()
        pipe = self._pipe(plan.way)
        cut_in_tiles(pipe, plan.pixels.tile_px, width=plan.width, height=plan.height)
        arguments = {**wan_vace.FAMILY.arguments(run), "prompt": None, "negative_prompt": None}
        embeds = torch.zeros(1, 512, pipe.transformer.config.text_dim, device=self.device.torch_name)
        arguments["prompt_embeds"] = embeds.to(pipe.transformer.dtype)
        times = []
        with torch.no_grad():
            for _ in range(3):
                began = time.perf_counter()
                wan_vace.FAMILY.frames(pipe(**arguments))
                times.append(time.perf_counter() - began)
            meter = Meter(_Silent(), self.device)
            with observed(pipe, meter, denoisers=("transformer",)):
                pipe(**arguments)
        return meter, min(times)

    def _pipe(self, way: Way) -> Any:
        model = self.card.model
        assert model is not None
        source = pipes.Source(
            folder=Path(model.folder), name="WanVACEPipeline", digest=model.digest,
            denoisers=wan_vace.FAMILY.denoisers,
        )  # fmt: skip
        layout = Layout(device=self.device.torch_name, way=way, without=("text_encoder", "tokenizer"))
        return pipes.pipeline(source, layout)

    def _peak(self, engine: DiffusionEngine) -> int:
        torch.cuda.reset_peak_memory_stats()
        engine.generate(self.window, self.job("ours"))
        return int(torch.cuda.max_memory_reserved())

    def _streamed(self, what: str, plan: Plan) -> list[Row]:
        """Block by block against resident; the peak of the first."""
        seconds = {}
        for way in (Way.RESIDENT, Way.STREAM):
            pipes.drop()
            if way is Way.RESIDENT and plan.way is not Way.RESIDENT:
                continue
            meter, _ = self._bare(replace(plan, way=way))
            found = meter.found(forwards=self.steps)
            assert found is not None
            seconds[way] = found.forward_s
        rows = [
            _row(
                what,
                "step, block by block",
                seconds[Way.STREAM],
                "s",
                rival="resident",
                beside=seconds.get(Way.RESIDENT),
            )
        ]
        torch.cuda.reset_peak_memory_stats()
        self._bare(replace(plan, way=Way.STREAM))
        rows.append(_row(what, "peak, block by block", torch.cuda.max_memory_reserved() / GIB, "GiB"))
        pipes.drop()
        return rows

    def _cancelled(self, what: str, engine: DiffusionEngine) -> list[Row]:
        """From the word to the end, in the middle of each part."""
        rows = []
        for part in ("encode", "step", "decode"):
            seconds = self._cancel_in(engine, part)
            rows.append(_row(what, f"cancel while it is in `{part}`", seconds, "s", goal="< 2 s", most=2.0))
        return rows

    def _cancel_in(self, engine: DiffusionEngine, part: str) -> float:
        asked, told_s, now = threading.Event(), [0.0], [""]

        def step() -> None:
            if now[0] == part and not asked.is_set():
                asked.set()
                told_s[0] = time.perf_counter()
                return
            if asked.is_set():
                raise _Caught

        job = replace(self.job("ours", step=step), stage=lambda stage: now.__setitem__(0, stage.name))
        engine.load(self.job("ours"))
        try:
            engine.generate(self.window, job)
        except _Caught:
            return time.perf_counter() - told_s[0]
        return float("nan")

    def _out_of_memory(self, what: str, plan: Plan) -> list[Row]:
        """So much of the GPU is taken, after the plan was made, that the plan cannot hold."""
        pipes.drop()
        engine = self.engine()
        engine.load(self.job("oom"))
        left = int(plan.memory_bytes * 0.7)
        rungs = ""
        with _taken(left):
            began = time.perf_counter()
            try:
                patch = engine.generate(self.window, self.job("oom"))
                rungs = "; ".join(note.rpartition("; ")[2].rstrip(".") for note in patch.notes)
            except (FreshWorker, Replan) as error:
                rungs = error.message.rpartition("; ")[2]
            seconds = time.perf_counter() - began
        pipes.drop()
        return [_row(f"{what}, {left / GIB:.0f} GiB left", f"out of memory: {rungs}", seconds, "s")]


class _Caught(Exception):
    """Ends a run of ours."""


class _Silent:
    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        """Nothing."""

    def alive(self, stage: str) -> None:
        """Nothing."""


@contextmanager
def _taken(left_bytes: int) -> Iterator[None]:
    """All of the GPU but so many bytes, counting what our own pipeline holds as ours."""
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    held = torch.cuda.memory_allocated()
    ballast = torch.empty(max(free + held - left_bytes, 0), dtype=torch.uint8, device="cuda")
    try:
        yield
    finally:
        del ballast
        gc.collect()
        torch.cuda.empty_cache()


def _predicted(name: str) -> list[Row]:
    """What a GPU would need, and what tracing says of the largest part of it."""
    size, rows = MODELS[name], []
    weights = weights_of(size)
    for title, (width, height, length) in CANVASES.items():
        what = f"{size.title}, {title}"
        tokens = tokens_of(weights, width=width, height=height, length=length)
        traced = _traced(size, width, height, length)
        guessed = tokens * weights.token_bytes
        rows.append(
            _row(what, "while it denoises, over the weights (traced)", traced / GIB, "GiB", rival="the plan",
                 beside=guessed / GIB, goal="traced ≤ plan", met=traced <= guessed)
        )  # fmt: skip
        best = Pixels(area_px=width * height, longest=length)
        asked = Asked(crop=Box(0, 0, width, height), frames=length - 17, forwards=60)
        for gib, tflops in GPUS:
            machine = Machine(
                name="GPU", has_gpu=True, memory_bytes=gib * GIB, free_bytes=gib * GIB, ram_bytes=64 * GIB,
                flops=tflops * 1e12,
            )  # fmt: skip
            plan = plan_memory(weights, asked, machine, best=best)
            tiles = f", tiles {plan.pixels.tile_px}" if plan.pixels.tile_px else ""
            how = f"{plan.way.name.lower()}, {plan.width}×{plan.height}, {plan.length} frames{tiles}"
            rows.append(
                _row(what, f"predicted for {gib} GB: {how}; window of 30 steps", plan.seconds / 60, "min",
                     rival="GiB", beside=plan.memory_bytes / GIB, ratio=False)
            )  # fmt: skip
    return rows


def _traced(size: Size, width: int, height: int, length: int) -> int:
    frames = (length - 1) // 4 + 1
    with FakeTensorMode(), torch.no_grad():
        torch.set_default_dtype(torch.bfloat16)
        try:
            model = size.transformer().eval()
        finally:
            torch.set_default_dtype(torch.float32)
        shape, given = (frames, height // 8, width // 8), torch.bfloat16
        latents, control = torch.empty(1, 16, *shape, dtype=given), torch.empty(1, 96, *shape, dtype=given)
        words, when = torch.empty(1, 512, size.text, dtype=given), torch.tensor([500])
        scale = torch.ones(len(size.hints), dtype=given)
        with Live(model) as live:
            model(
                hidden_states=latents, timestep=when, encoder_hidden_states=words, control_hidden_states=control,
                control_hidden_states_scale=scale,
            )  # fmt: skip
    return live.peak_bytes


def _row(
    what: str,
    figure: str,
    value: float,
    unit: str,
    *,
    rival: str = "",
    beside: float | None = None,
    goal: str = "",
    most: float | None = None,
    met: bool | None = None,
    ratio: bool = True,
) -> Row:
    return Row(
        bench="diffusion", what=what, figure=figure, value=value, unit=unit, rival=rival if beside is not None else "",
        rival_value=beside, ratio=beside / value if ratio and beside and value else None, goal=goal,
        met=value <= most if most is not None else met,
    )  # fmt: skip


def main() -> None:
    """Run it, and print the table."""
    parser = argparse.ArgumentParser(description="VACE at its real sizes; see docs/performance.md.")
    parser.add_argument("--models", default="", metavar="NAME,…", help="1.3b, 14b; all")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    rows = measure(Choice(only=tuple(filter(None, options.models.split(",")))))
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU: real sizes are predictions"
    for row in rows:
        beside = f"  ({row.rival} {row.rival_value:.3g})" if row.rival_value is not None else ""
        print(f"{row.what:28} {row.figure:80} {row.value:8.3g} {row.unit}{beside} {row.goal}", file=sys.stderr)
    if options.write:
        write_tables(HERE.parents[1] / "docs" / "performance.md", rows)
    print(json.dumps({"device": where, "rows": [dataclasses.asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
