"""A filter of system calls for a worker, as classic BPF by hand (man 2 seccomp, linux/filter.h, linux/audit.h)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import NamedTuple

__all__ = ["forbid_calls", "has_seccomp"]

_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_TSYNC = 1
"""For the threads that run already, too."""
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL = 0x7FFF_0000, 0x8000_0000
_DENY = 0x0005_0000 | errno.EACCES
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_X32_BIT = 0x4000_0000
"""The other 64-bit interface of x86: the same calls under other numbers."""
_AF_UNIX, _AF_NETLINK = 1, 16


class _Machine(NamedTuple):
    audit: int
    seccomp: int
    socket: int
    io_uring_setup: int
    others: tuple[int, ...]
    """ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, bpf, perf_event_open, userfaultfd, add_key,
    request_key, keyctl, mount, unshare, setns, open_by_handle_at, init_module, finit_module, kexec_load."""


_MACHINES = {
    "x86_64": _Machine(
        0xC000_003E, 317, 41, 425, (101, 310, 311, 438, 321, 298, 323, 248, 249, 250, 165, 272, 308, 304, 175, 313, 246)
    ),
    "aarch64": _Machine(
        0xC000_00B7, 277, 198, 425, (117, 270, 271, 438, 280, 241, 282, 217, 218, 219, 40, 97, 268, 265, 105, 273, 104)
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def has_seccomp() -> bool:
    """True if `forbid_calls` can work here."""
    machine = _machine()
    if machine is None:
        return False
    action = ctypes.c_uint32(0x0005_0000)
    return bool(ctypes.CDLL(None).syscall(machine.seccomp, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def forbid_calls(*, uses_gpu: bool) -> None:
    """Deny sockets and what reaches into other processes or the kernel, for good. no_new_privs must be set.

    uses_gpu: local sockets and the calls CUDA shares memory with stay allowed; the network is not. Raises OSError.
    """
    machine = _machine()
    if machine is None:
        raise OSError(errno.ENOSYS, "no filter of system calls for this kind of machine")
    code = _program(machine, uses_gpu=uses_gpu)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(machine.seccomp, _SET_MODE_FILTER, _TSYNC, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), f"the filter is refused: {os.strerror(ctypes.get_errno())}")


def _machine() -> _Machine | None:
    return _MACHINES.get(platform.machine()) if sys.platform == "linux" and sys.byteorder == "little" else None


def _program(machine: _Machine, *, uses_gpu: bool) -> bytes:
    """A call of another kind of machine (32 bit) ends the process; a denied one fails with EACCES."""
    denied = [machine.io_uring_setup, *(() if uses_gpu else (*machine.others, machine.socket))]
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_EQUAL, machine.audit, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_AT_LEAST, _X32_BIT, 0, 1),
        _step(_RETURN, _DENY),
    ]
    for number in denied:
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _DENY)]
    if uses_gpu:
        steps += [
            _step(_EQUAL, machine.socket, 0, 4),
            _step(_LOAD, _FIRST_ARGUMENT_AT),
            _step(_EQUAL, _AF_UNIX, 2, 0),
            _step(_EQUAL, _AF_NETLINK, 1, 0),
            _step(_RETURN, _DENY),
        ]
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
