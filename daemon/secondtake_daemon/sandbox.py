"""The fence round a worker, which decodes files that anybody may have made. Linux only, from the standard library.

What is put up, as far as the kernel offers it (docs/security.md says what each part is good for):

- no_new_privs: no setuid program gives the process more than it has. If root runs the daemon, of root's powers only
  those over files stay.
- seccomp: no sockets (so no network, no other program's door), no io_uring, no reading of other processes' memory.
- Landlock (https://docs.kernel.org/userspace-api/landlock.html): with roots, only the files below them and what the
  worker itself needs; without roots jobs may name any file, so only new device nodes and the running of programs
  outside of the system's folders are denied. From ABI 4 on no TCP, from 6 on no signals to processes outside.
- limits: no core files (they would hold plates), a bound on open files, and memory of at most the machine's own.

For an engine on a GPU (`uses_gpu`) some stay off, because CUDA needs them: local sockets and sharing of memory between
processes are allowed, memory is not limited (CUDA reserves far more than it uses), and /dev stays open to it.

Landlock holds for the calling thread and those it starts: enter before any library is imported that starts threads.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from secondtake_daemon.seccomp import forbid_calls, has_seccomp

__all__ = ["State", "enter", "state"]

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_CAPABILITY_VERSION_3 = 0x2008_0522
_CAPABILITIES_OF_FILES = 0b1_1111
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID."""
_ABI_REFER, _ABI_TRUNCATE, _ABI_NET, _ABI_IOCTL, _ABI_SCOPE = 2, 3, 4, 5, 6

# linux/landlock.h
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR = 1 << 4, 1 << 5, 1 << 6, 1 << 7
_MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 8, 1 << 9, 1 << 10, 1 << 11
_MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15
_TCP = 1 << 0 | 1 << 1
_SCOPES = 1 << 0 | 1 << 1
"""Abstract local sockets, and signals."""

_READ = _READ_FILE | _READ_DIR
_WRITE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_ALL = (_IOCTL_DEV << 1) - 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""What a rule on a file, and not on a folder, may grant."""

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt")
_READABLE = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
)
_MOST_FILES = 4096
_LEAST_MEMORY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What this system offers for the fence; all of it is used for a worker."""

    landlock_abi: int
    """0: there is none, or it is too old to be of use."""
    seccomp: bool
    limits: bool

    @property
    def is_whole(self) -> bool:
        """True if every part can be put up."""
        return bool(self.landlock_abi) and self.seccomp and self.limits

    def __str__(self) -> str:
        """One line for `secondtake doctor`."""
        landlock = f"Landlock (ABI {self.landlock_abi})" if self.landlock_abi else ""
        has = [landlock, "seccomp" if self.seccomp else "", "limits" if self.limits else ""]
        lacks = ["" if self.landlock_abi else "Landlock", "" if self.seccomp else "seccomp"]
        missing = " and ".join(filter(None, lacks))
        return (", ".join(filter(None, has)) or "nothing") + (f"; this system has no {missing}" if missing else "")


def state() -> State:
    """What a worker's fence is made of on this system. Changes nothing."""
    return State(landlock_abi=_landlock_abi(), seccomp=has_seccomp(), limits=sys.platform != "win32")


def enter(
    *, roots: Sequence[Path], own: Sequence[Path], readable: Sequence[Path] = (), uses_gpu: bool = False
) -> State:
    """Fence this process in, for good. Does what the system offers, and says what that was.

    roots: folders that jobs may name, resolved; none means that they may name every file. own: folders the worker
    keeps its things in; they must exist. readable: what else it may read, as models. Raises OSError if the kernel
    offers a part and then refuses it.
    """
    offered = state()
    if offered.limits:
        _limit(uses_gpu=uses_gpu)
    if sys.platform != "linux":
        return offered
    libc = ctypes.CDLL(None, use_errno=True)
    _call(libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_capabilities(libc)
    if offered.landlock_abi:
        rules = _rules_for_roots(roots, own, readable, uses_gpu=uses_gpu) if roots else _rules_for_all()
        _landlock(offered.landlock_abi, rules, is_bound=bool(roots))
    if offered.seccomp:
        forbid_calls(uses_gpu=uses_gpu)
    return offered


# --- limits -----------------------------------------------------------------------------------------------------


def _limit(*, uses_gpu: bool) -> None:
    if sys.platform == "win32":
        return
    import resource

    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _MOST_FILES)
    if not uses_gpu:
        # Not RLIMIT_AS: it would count files that are only mapped, and a movie may be larger than the memory.
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        _lower(resource.RLIMIT_DATA, max(memory_bytes, _LEAST_MEMORY_BYTES))


def _lower(kind: int, most: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(kind)
    bounds = [most, *(bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY)]
    with suppress(OSError, ValueError):  # macOS refuses some
        resource.setrlimit(kind, (min(bounds), min(bounds)))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Nothing for anybody but root. capset(2), version 3: two words of effective, permitted, inheritable each."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    words = (ctypes.c_uint32 * 6)()
    _call(libc.capget, header, words)
    effective, permitted = words[0] & _CAPABILITIES_OF_FILES, words[1] & _CAPABILITIES_OF_FILES
    _call(libc.capset, header, (ctypes.c_uint32 * 6)(effective, permitted, 0, 0, 0, 0))


# --- Landlock ---------------------------------------------------------------------------------------------------

_Rules = list[tuple[Path, int]]


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _landlock_abi() -> int:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return 0
    abi = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return int(abi) if abi >= _ABI_REFER else 0  # the first one would deny every rename between folders


def _rules_for_roots(roots: Sequence[Path], own: Sequence[Path], readable: Sequence[Path], *, uses_gpu: bool) -> _Rules:
    for root in roots:  # a rule holds for what is mounted now, so have it mounted
        with suppress(OSError):
            os.stat(f"{root}{os.sep}.")  # noqa: PTH116 — a Path would drop the dot, which is what mounts
    rules = [(path, _READ | _WRITE) for path in (*roots, *own)]
    rules += [(path, _READ | _EXECUTE) for path in _program_folders()]
    rules += [(path, _READ) for path in (*readable, *map(Path, _READABLE))]
    rules.append((Path("/dev/null"), _WRITE_FILE | _TRUNCATE))
    if uses_gpu:
        rules.append((Path("/dev"), _READ | _WRITE | _IOCTL_DEV))
    return rules


def _rules_for_all() -> _Rules:
    """Without roots a job may read and write anywhere: see `_handled`."""
    return [(Path("/"), _REFER), *((path, _EXECUTE) for path in _program_folders())]


def _handled(abi: int, *, is_bound: bool) -> int:
    handled = _ALL if is_bound else _EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _REFER
    if abi < _ABI_TRUNCATE:
        handled &= ~_TRUNCATE
    return handled if abi >= _ABI_IOCTL else handled & ~_IOCTL_DEV


def _program_folders() -> Iterable[Path]:
    """The system's and Python's own."""
    purelib, platlib = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    found = [*_SYSTEM, sys.prefix, sys.base_prefix, purelib, platlib, *sys.path]
    return [Path(path) for path in dict.fromkeys(found) if path]


def _landlock(abi: int, rules: _Rules, *, is_bound: bool) -> None:
    handled = _handled(abi, is_bound=is_bound)
    attr = _RulesetAttr(handled, _TCP if abi >= _ABI_NET else 0, _SCOPES if abi >= _ABI_SCOPE else 0)
    size = 24 if abi >= _ABI_SCOPE else 16 if abi >= _ABI_NET else 8
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    ruleset = _call(syscall, _CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), 0)
    try:
        for path, allowed in rules:
            _allow(syscall, ruleset, path, allowed & handled)
        _call(syscall, _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(syscall: ctypes._NamedFuncPointer, ruleset: int, path: Path, allowed: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there needs no rule
        return
    try:
        rights = allowed if path.is_dir() else allowed & _OF_FILES
        if rights:
            beneath = _PathBeneathAttr(rights, handle)
            _call(syscall, _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(handle)


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> int:
    done = int(function(*arguments))
    if done < 0:
        raise OSError(ctypes.get_errno(), f"the sandbox cannot be set up: {os.strerror(ctypes.get_errno())}")
    return done
