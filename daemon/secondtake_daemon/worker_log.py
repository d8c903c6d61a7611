"""What a worker has to say for the log: a JSON object a line on stderr, which the daemon takes into `logs/worker.log`
together with the job, its host and the versions. Whoever uses `logging`, our code or a library, is heard this way."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import msgspec

__all__ = ["log_to_stderr"]

_OURS = "secondtake_daemon"


class _Lines(logging.Formatter):
    """`extra={"fields": {…}}` of a call stands beside its message."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {} if record.name.startswith(_OURS) else {"logger": record.name}
        fields.update(getattr(record, "fields", {}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        line = {"event": record.getMessage(), "level": record.levelname.lower(), "fields": fields}
        return msgspec.json.encode(line, enc_hook=str).decode("utf-8")


def log_to_stderr(stream: TextIO | None = None) -> None:
    """From here on: our own lines from INFO on, those of libraries from WARNING on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(logging.INFO)
