"""Watch a pipeline from inside, and stop it anywhere: a scheduler that tells each step, and hooks on its modules.

Not every pipeline has a callback, and one that is interrupted still decodes noise. So the scheduler's class is swapped
for a child of it that calls an observer before each step (a patched instance would break pipelines that copy their
scheduler), and every module of the pipeline asks before it runs. What stops a run is no Exception: pipelines must not
swallow it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Halt", "Observer", "observed"]


DENOISERS = ("transformer", "transformer_2")


class Halt(BaseException):
    """Raised through a pipeline to end it; `cause` is what asked for it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Observer(Protocol):
    """Sees a run. May raise; then the run ends."""

    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        """A denoising step is about to be taken."""

    def alive(self, stage: str) -> None:
        """A block of a model is about to run, which belongs to `encode`, `step` or `decode`."""


class _Tapped:
    """Mixed into a scheduler's class. The observer lives in the instance and is not copied with it."""

    def step(self, model_output: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        observer = self.__dict__.get("_observer")
        if observer is not None:
            observer.step(model_output, timestep, sample, self)
        return super().step(model_output, timestep, sample, *args, **kwargs)  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        held = self.__dict__.pop("_observer", None)
        try:
            reduced = super().__reduce_ex__(4)
            from copy import _reconstruct  # type: ignore[attr-defined]

            return _reconstruct(self, memo, *reduced)
        finally:
            if held is not None:
                self.__dict__["_observer"] = held


@contextmanager
def observed(pipe: Any, observer: Observer, *, denoisers: Collection[str] = DENOISERS) -> Iterator[None]:
    """While inside, the observer sees every step and may stop the run at every block.

    denoisers: names of the components that take part in each step. Whatever ended the run before, the pipeline's own
    hooks and caches are freed first, so that this one begins clean. Not at the end: a model that is offloaded would
    be moved out of the way before anybody hears that the run was cancelled.
    """
    pipe.maybe_free_model_hooks()
    guarded, keep_up = _guard(observer), _keeping_up()
    scheduler = pipe.scheduler
    before = type(scheduler)
    scheduler.__class__ = type(before.__name__, (_Tapped, before), {"__module__": before.__module__})
    scheduler.__dict__["_observer"] = guarded

    def hook(stage: str) -> Callable[..., None]:
        def before_block(*_: Any) -> None:
            keep_up()
            guarded.alive(stage)

        return before_block

    hooks = [block.register_forward_pre_hook(hook(stage)) for block, stage in _stops(pipe, denoisers)]
    try:
        yield
    except Halt as halt:
        raise halt.cause from None
    finally:
        for handle in hooks:
            handle.remove()
        scheduler.__dict__.pop("_observer", None)
        scheduler.__class__ = before


def _stops(pipe: Any, denoisers: Collection[str]) -> Iterator[tuple[Any, str]]:
    """Where a run can be stopped, and what is done there: every block of every denoiser, text encoder and VAE."""
    import torch

    for name, part in pipe.components.items():
        if not isinstance(part, torch.nn.Module):
            continue
        yield part, _stage(name, "", denoisers)
        for path, many in part.named_modules():
            if isinstance(many, torch.nn.ModuleList):
                for block in filter(None, many):  # some lists have gaps
                    yield block, _stage(name, path, denoisers)


def _stage(part: str, path: str, denoisers: Collection[str]) -> str:
    if part in denoisers:
        return "step"
    return "decode" if path.startswith("decoder") or part.endswith(("decoder", "vocoder", "upsampler")) else "encode"


def _keeping_up() -> Callable[[], None]:
    """Waits until the GPU has come to the block before: what was asked of it can't be taken back, so a cancel waits
    for one block and not for the many that its queue would hold. The queue never runs dry meanwhile."""
    import torch

    if not torch.cuda.is_available():
        return lambda: None
    last = None

    def keep_up() -> None:
        nonlocal last
        if last is not None:
            last.synchronize()
        last = torch.cuda.Event(blocking=True)
        last.record()

    return keep_up


def _guard(observer: Observer) -> Observer:
    """Turns what the observer raises into Halt."""

    def halting(call: Callable[..., None]) -> Callable[..., None]:
        def run(*args: Any) -> None:
            try:
                call(*args)
            except Exception as error:
                raise Halt(error) from error

        return run

    class Guarded:
        step = staticmethod(halting(observer.step))
        alive = staticmethod(halting(observer.alive))

    return Guarded()
