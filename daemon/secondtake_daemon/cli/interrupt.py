"""What ^C means while a job runs: the first cancels the job, the second leaves at once. SIGTERM counts as ^C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType, TracebackType

from secondtake.client import Client
from secondtake.errors import Cancelled, NotFound, SecondTakeError
from secondtake_daemon.cli.output import Output

__all__ = ["CancelOnInterrupt"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SUBMIT_S = 5.0
_PAUSE_S = 0.1


class CancelOnInterrupt:
    """A context manager for the main thread. The wait for the job goes on meanwhile, and sees it end.

    Instead of one job there may be a list, which grows as jobs are submitted; the last ones are cancelled first, so
    that none of them begins meanwhile.
    """

    def __init__(self, job: str | Sequence[str], output: Output) -> None:
        self._jobs = (job,) if isinstance(job, str) else job
        self._output = output
        self._count = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> CancelOnInterrupt:
        self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned it takes again

    @property
    def is_asked(self) -> bool:
        """True from the first interrupt on: nothing more is to be submitted."""
        return self._count > 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            raise Cancelled("You left; the daemon goes on cancelling the job")
        # A client belongs to one thread, and the main thread's is in the middle of a wait.
        threading.Thread(target=self._cancel, daemon=True).start()

    def _cancel(self) -> None:
        self._output.message("Cancelling; ^C again leaves at once")
        deadline_s = time.monotonic() + _SUBMIT_S
        for job in reversed(self._jobs):
            self._cancel_one(job, deadline_s)

    def _cancel_one(self, job: str, deadline_s: float) -> None:
        while True:
            try:
                with Client.connect(autostart=False) as client:
                    client.cancel(job)
                return
            except NotFound as error:  # the interrupt came before the job was submitted
                if time.monotonic() > deadline_s:
                    self._output.message(str(error))
                    return
                time.sleep(_PAUSE_S)
            except SecondTakeError as error:
                self._output.message(str(error))
                return
