"""Second Take in DaVinci Resolve: fix the clip under the playhead, get it back as a take; see `docs/resolve.md`.

Standard library only, CPython 3.9 to 3.14. `calls` alone touches Resolve; the `flow_*` modules are pure.
"""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
