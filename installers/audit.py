"""Whether the dependencies are the ones that were pinned, and known to be sound: `python installers/audit.py`.

`make check` runs it. Known vulnerabilities are asked for with pip-audit where that is installed and reaches a database;
where not, it says so. The rest needs no network: `installers/requirements.lock` pins every package the product needs,
for each Python and system, by the SHA-256 of its files; `installers/diffusion.lock` pins what the `diffusion` extra
needs beyond that, but for torch, whose build is the machine's choice. `make` installs from them with pip's
`--require-hashes`, and this checks that the locks are whole, agree with pyproject.toml, and are what is installed here:
the second one where the extra is. `make lock` makes them anew.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = ["Pin", "installed_problems", "locked", "main", "problems", "read_lock"]

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "installers" / "requirements.lock"
DIFFUSION_LOCK = ROOT / "installers" / "diffusion.lock"
UNLOCKED = "torch"
"""Pinned by version only, in the Makefile."""
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)")
_TIMEOUT_S = 20


class Pin(NamedTuple):
    """One line of the lock."""

    name: str
    version: str
    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def is_for_here(self) -> bool:
        """True if this Python on this system needs it."""
        return self.requirement.marker is None or self.requirement.marker.evaluate()


def main() -> int:
    """Print what is wrong, or what was checked; the exit status."""
    pins, more = (read_lock(lock.read_text(encoding="utf-8")) for lock in (LOCK, DIFFUSION_LOCK))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wrong = [*problems(pins, project["dependencies"]), *installed_problems(pins)]
    wrong += problems([*pins, *more], locked(project["optional-dependencies"]["diffusion"]))
    if importlib.util.find_spec(UNLOCKED) is not None:
        wrong += installed_problems(more)
    known, said = _vulnerabilities()
    for line in (*wrong, *known):
        sys.stdout.write(f"audit: {line}\n")
    if wrong:
        sys.stdout.write("Run: make lock, or set up .venv anew\n")
    if not wrong and not known:
        count = len(pins) + len(more)
        sys.stdout.write(f"audit: {count} packages are pinned by hash; what is installed of them is that; {said}\n")
    return 1 if wrong or known else 0


def read_lock(text: str) -> list[Pin]:
    """The pins of a lock as uv and pip-tools write it. Raises ValueError for a line that pins nothing."""
    pins = []
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        line = entry.split("#")[0].strip()
        if not line:
            continue
        try:
            requirement = Requirement(line.split("--hash")[0].strip())
        except InvalidRequirement as error:
            raise ValueError(f"the lock has a line that is no requirement: {line[:80]}") from error
        found = [specifier.version for specifier in requirement.specifier if specifier.operator == "=="]
        if len(found) != 1 or requirement.url or "*" in found[0]:
            raise ValueError(f"the lock does not pin '{requirement.name}'")
        name = canonicalize_name(requirement.name)
        pins.append(Pin(name, found[0], requirement, tuple(_HASH.findall(line))))
    return pins


def locked(dependencies: Sequence[str]) -> list[str]:
    """Those that a lock has to pin."""
    return [text for text in dependencies if canonicalize_name(Requirement(text).name) != UNLOCKED]


def problems(pins: Sequence[Pin], dependencies: Sequence[str]) -> Iterator[str]:
    """What is wrong with the lock itself."""
    for pin in pins:
        if not pin.hashes:
            yield f"{pin.name} {pin.version} has no SHA-256 in the lock"
    for text in dependencies:
        wanted = Requirement(text)
        found = [pin for pin in pins if pin.name == canonicalize_name(wanted.name)]
        if not found:
            yield f"{wanted.name} is a dependency and not in the lock"
        for pin in found:
            if not wanted.specifier.contains(pin.version, prereleases=True):
                yield f"{pin.name} {pin.version} is in the lock, and pyproject.toml wants {wanted.specifier}"


def installed_problems(pins: Sequence[Pin]) -> Iterator[str]:
    """What is installed here and is not what the lock says."""
    for pin in pins:
        if not pin.is_for_here:
            continue
        try:
            here = version(pin.name)
        except PackageNotFoundError:
            yield f"{pin.name} is in the lock and not installed"
            continue
        if here != pin.version:
            yield f"{pin.name} {here} is installed, and the lock has {pin.version}"


def _vulnerabilities() -> tuple[list[str], str]:
    """Known ones, and a word on where they were looked up."""
    if importlib.util.find_spec("pip_audit") is None:
        return [], "known vulnerabilities were not looked up (pip-audit is not installed)"
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip"]
    command += ["--requirement", str(LOCK), "--requirement", str(DIFFUSION_LOCK)]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "5"]
    nowhere = "known vulnerabilities were not looked up (no database can be reached)"
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        found = json.loads(run.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        return [], nowhere
    looked = [package for package in found if "vulns" in package]
    if not looked:
        return [], nowhere
    known = [f"{package['name']} {package['version']}: {bug['id']}" for package in looked for bug in package["vulns"]]
    return known, f"none of {len(looked)} has a known vulnerability"


if __name__ == "__main__":
    sys.exit(main())
