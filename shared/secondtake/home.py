"""Where Second Take keeps its things: the one rule that client and daemon share.

`SECONDTAKE_HOME` moves everything under one root; without it the folders of the platform are used: XDG on Linux,
`~/Library` on macOS, `%LOCALAPPDATA%` on Windows.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from secondtake import disk
from secondtake.errors import DiskError

__all__ = ["Home"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The five folders. `root` is set only if they all lie under one that was asked for."""

    config: Path
    run: Path
    data: Path
    cache: Path
    logs: Path
    root: Path | None = None

    @classmethod
    def find(cls, root: Path | None = None) -> Home:
        """The home under `root`, else under SECONDTAKE_HOME, else the user's own."""
        asked = root if root is not None else os.environ.get("SECONDTAKE_HOME", "")
        return cls.under(Path(asked)) if asked else _of_platform(sys.platform)

    @classmethod
    def under(cls, root: Path) -> Home:
        """Everything below one folder."""
        root = root.expanduser().resolve()
        return cls(
            config=root / "config",
            run=root / "run",
            data=root / "data",
            cache=root / "cache",
            logs=root / "logs",
            root=root,
        )

    @property
    def settings_file(self) -> Path:
        """Written by the user."""
        return self.config / "settings.toml"

    @property
    def runtime_file(self) -> Path:
        """Written by the daemon, see `secondtake.endpoint`."""
        return self.run / "daemon.json"

    @property
    def launcher_file(self) -> Path:
        """Names the Python that has the daemon, for programs whose own Python has not."""
        return self.config / "launcher.json"

    def create(self) -> None:
        """Make the folders; only the user may enter `config`, `run` and `data`. Raises DiskError."""
        for folder in (self.config, self.run, self.data):
            private_folder(folder)
        for folder in (self.cache, self.logs):
            _make(folder)


def private_folder(folder: Path) -> None:
    """Make a folder only its owner may enter (0700). Raises DiskError if it belongs to somebody else."""
    _make(folder)
    if sys.platform == "win32":  # the profile's own access list holds there
        return
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise DiskError(
            "The folder belongs to another user", remedy="Set SECONDTAKE_HOME to a folder of your own", path=folder
        )
    if status.st_mode & 0o077:
        folder.chmod(0o700)


def _make(folder: Path) -> None:
    try:
        disk.make_folders(folder, mode=0o700)
    except OSError as error:
        raise DiskError(
            f"The folder cannot be made ({error.strerror})",
            remedy="Set SECONDTAKE_HOME to a folder you may write",
            path=folder,
        ) from error


def _of_platform(platform: str) -> Home:
    user = Path.home()
    if platform == "darwin":
        library = user / "Library"
        support = library / "Application Support" / "secondtake"
        cache, logs = library / "Caches" / "secondtake", library / "Logs" / "secondtake"
        return Home(config=support / "config", run=support / "run", data=support / "data", cache=cache, logs=logs)
    if platform == "win32":
        local = _folder_from("LOCALAPPDATA", user / "AppData" / "Local") / "secondtake"
        return Home(
            config=local / "config", run=local / "run", data=local / "data", cache=local / "cache", logs=local / "logs"
        )
    # Not XDG_RUNTIME_DIR: it differs between a desktop, ssh and cron, and one home must have one lock.
    state = _folder_from("XDG_STATE_HOME", user / ".local" / "state") / "secondtake"
    return Home(
        config=_folder_from("XDG_CONFIG_HOME", user / ".config") / "secondtake",
        run=state / "run",
        data=_folder_from("XDG_DATA_HOME", user / ".local" / "share") / "secondtake",
        cache=_folder_from("XDG_CACHE_HOME", user / ".cache") / "secondtake",
        logs=state / "logs",
    )


def _folder_from(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, ""))
    return folder if folder.is_absolute() else default
