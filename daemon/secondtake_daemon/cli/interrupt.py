"""What ^C means while a job runs: the first cancels the job, the second leaves at once. SIGTERM counts as ^C."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType

from secondtake.client import Client
from secondtake.errors import Cancelled, NotFound, SecondTakeError
from secondtake_daemon.cli.output import Output

__all__ = ["CancelOnInterrupt"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SUBMIT_S = 5.0
_PAUSE_S = 0.1


class CancelOnInterrupt:
    """A context manager for the main thread. The wait for the job goes on meanwhile, and sees it end."""

    def __init__(self, job: str, output: Output) -> None:
        self._job = job
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

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            raise Cancelled("You left; the daemon goes on cancelling the job")
        # A client belongs to one thread, and the main thread's is in the middle of a wait.
        threading.Thread(target=self._cancel, daemon=True).start()

    def _cancel(self) -> None:
        self._output.message("Cancelling; ^C again leaves at once")
        deadline_s = time.monotonic() + _SUBMIT_S
        while True:
            try:
                with Client.connect(autostart=False) as client:
                    client.cancel(self._job)
                return
            except NotFound as error:  # the interrupt came before the job was submitted
                if time.monotonic() > deadline_s:
                    self._output.message(str(error))
                    return
                time.sleep(_PAUSE_S)
            except SecondTakeError as error:
                self._output.message(str(error))
                return
