"""Watch a pipeline from inside, and stop it anywhere: a scheduler that tells each step, and hooks on its modules.

Not every pipeline has a callback, and one that is interrupted still decodes noise. So the scheduler's class is swapped
for a child of it that calls an observer before each step (a patched instance would break pipelines that copy their
scheduler), and every module of the pipeline asks before it runs. What stops a run is no Exception: pipelines must not
swallow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Halt", "Observer", "observed"]


class Halt(BaseException):
    """Raised through a pipeline to end it; `cause` is what asked for it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Observer(Protocol):
    """Sees a run. May raise; then the run ends."""

    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        """A denoising step is about to be taken."""

    def alive(self) -> None:
        """A block of a model is about to run."""


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
def observed(pipe: Any, observer: Observer) -> Iterator[None]:
    """While inside, the observer sees every step and may stop the run at every block.

    Whatever ended the run, the pipeline's own hooks and caches are freed, so that the next one begins clean.
    """
    guarded = _guard(observer)
    scheduler = pipe.scheduler
    before = type(scheduler)
    scheduler.__class__ = type(before.__name__, (_Tapped, before), {"__module__": before.__module__})
    scheduler.__dict__["_observer"] = guarded
    hooks = [module.register_forward_pre_hook(lambda *_: guarded.alive()) for module in _stops(pipe)]
    try:
        yield
    except Halt as halt:
        raise halt.cause from None
    finally:
        for hook in hooks:
            hook.remove()
        scheduler.__dict__.pop("_observer", None)
        scheduler.__class__ = before
        pipe.maybe_free_model_hooks()


def _stops(pipe: Any) -> list[Any]:
    """Where a run can be stopped: every block of every denoiser and text encoder, and the VAE's own blocks."""
    import torch

    found = []
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            found.append(part)
            found += [block for many in part.modules() if isinstance(many, torch.nn.ModuleList) for block in many]
    return found


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
