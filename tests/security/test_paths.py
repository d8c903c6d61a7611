"""Every path of a message stays under the roots: however it is written, and whatever it is swapped for meanwhile."""

from __future__ import annotations

import ast
import inspect
import itertools
import os
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq
from attackers import Net, needs_linux
from bombs import png
from exr_samples import Part, smooth_planes, write_plate
from msgspec.structs import replace
from places import Place, wait_for

from secondtake import BadInput, FixRequest, JobState, Operation, UsageError
from secondtake.messages import Reference
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.roots import refuse_strange, require_inside
from secondtake_daemon.sandbox import state
from secondtake_daemon.service import intake
from secondtake_daemon.service.intake import check
from secondtake_daemon.service.janitor import Janitor
from secondtake_daemon.service.log import Log
from secondtake_daemon.takes.leftovers import LedgerHead, ledger_path

ELSEWHERE = [
    "//server/share/p.exr",
    "\\\\server\\share\\p.exr",
    "\\\\.\\PhysicalDrive0",
    "\\\\?\\C:\\p.exr",
    "\\\\?\\UNC\\server\\share\\p.exr",
    "/\\server\\share",
    "\\/server/share",
    "\\??\\C:\\p.exr",
]
DEVICES = [
    "/dev/zero",
    "/dev/stdin",
    "/dev/fd/0",
    "/proc/self/mem",
    "/proc/1/environ",
    "/sys/kernel/p.exr",
    "/show/CON",
    "/show/nul.exr",
    "/show/COM1.exr",
    "C:\\show\\aux",
    "/show/lpt9.####.exr",
    "/show/con /p.exr",
    "/show/NUL:stream",
    "/show/CONIN$",
]
BOUND = ["/show/../etc/p.exr", "/show/a/..", "/show/p.exr:hidden", "/show/p.exr::$DATA", "/show\\..\\p.exr"]
FINE = [
    "/show/p.####.exr",
    "/show/console.exr",
    "/show/nullify/p.exr",
    "/dev/shm/p.exr",
    "/show/com10.exr",
    "/devices/p",
]


@pytest.mark.parametrize("path", [*ELSEWHERE, *DEVICES])
@pytest.mark.parametrize("is_bound", [False, True])
def test_no_other_machine_and_no_device(path: str, is_bound: bool) -> None:
    with pytest.raises(BadInput):
        refuse_strange(path, is_bound=is_bound)


@pytest.mark.parametrize("path", BOUND)
def test_what_only_a_bound_client_may_not_write(path: str) -> None:
    with pytest.raises(BadInput):
        refuse_strange(path, is_bound=True)
    if sys.platform != "win32":
        refuse_strange(path, is_bound=False)


@pytest.mark.parametrize("path", FINE)
def test_ordinary_names(path: str) -> None:
    refuse_strange(path, is_bound=True)


@pytest.mark.parametrize("field", ["plate", "matte", "out", "motion", "reference", "ocio"])
@pytest.mark.parametrize("path", ["//server/share/x", "/dev/zero", "/show/../../etc/passwd"])
def test_every_path_of_a_request_is_looked_at(tmp_path: Path, field: str, path: str) -> None:
    root = str(tmp_path)
    good = FixRequest(
        job=uuid.uuid4().hex,
        shot="sh",
        plate=f"{root}/p.####.exr",
        matte=f"{root}/m.exr",
        out=f"{root}/out",
        operation=Operation.REMOVE,
        references=(Reference(path=f"{root}/r.exr", frame=1),),
    )
    check(good, roots=[root], is_remote=True, catalogue=Catalogue(None))
    bad = replace(good, references=(Reference(path=path),)) if field == "reference" else replace(good, **{field: path})
    with pytest.raises((BadInput, UsageError)):
        check(bad, roots=[root], is_remote=True, catalogue=Catalogue(None))


def test_no_path_of_a_request_is_forgotten() -> None:
    """Every field that its own words call a path."""
    body = ast.parse(inspect.getsource(FixRequest)).body[0].body
    said = {
        field.target.id: text.value.value
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    paths = [name for name, words in said.items() if words.startswith("Absolute path")]
    assert len(paths) >= 5
    request = FixRequest(
        job=uuid.uuid4().hex,
        shot="sh",
        operation=Operation.REMOVE,
        references=(Reference(path="/references"),),
        ocio="/ocio",
        **{name: f"/{name}" for name in paths},
    )
    assert set(intake._paths(request)) == {f"/{name}" for name in (*paths, "references", "ocio")}


@pytest.mark.parametrize("path", ["//server/share/x", "/dev/zero", "/proc/self/mem", "/show/NUL"])
def test_the_users_own_programs_may_name_no_device_either(path: str) -> None:
    request = FixRequest(job=uuid.uuid4().hex, shot="sh", plate=path, matte="/m", out="/o", operation=Operation.REMOVE)
    with pytest.raises(BadInput):
        check(request, roots=(), is_remote=False, catalogue=Catalogue(None))


def test_links_are_followed_before_anything_is_concluded(tmp_path: Path) -> None:
    root, outside = tmp_path / "show", tmp_path / "private"
    root.mkdir()
    outside.mkdir()
    (outside / "p.exr").touch()
    (root / "link.exr").symlink_to(outside / "p.exr")
    (root / "folder").symlink_to(outside)
    (root / "twice").symlink_to(root / "folder")
    (root / "loop").symlink_to(root / "loop")
    (root / "zero").symlink_to("/dev/zero")
    (root / "inside").symlink_to(root)
    for name in ("link.exr", "folder/p.exr", "folder/new/out", "twice/p.####.exr", "loop/x", "zero", "inside/link.exr"):
        with pytest.raises(BadInput):
            require_inside(root / name, [root])
    require_inside(root / "inside" / "new" / "p.exr", [root])
    with pytest.raises(BadInput):  # a name that only begins like the root's
        require_inside(tmp_path / "show2" / "p.exr", [root])


RACE = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from secondtake.errors import SecondTakeError
    from secondtake_daemon import roots, sandbox
    from secondtake_daemon.images import exr_guard, exr_read, stills

    root, outside, own, kernel = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] == "kernel"
    if kernel:
        sandbox.enter(roots=[root], own=[own])
    else:
        roots.fence([root], own=[own])
    plate = root / "plate" / "p.1.exr"
    roots.require_inside(plate, [root])           # checked …
    file = exr_guard.inspect(plate)
    still = root / "stills" / "s.png"
    roots.require_inside(still, [root])
    print("checked", flush=True)
    sys.stdin.readline()                          # … swapped …

    def opens(read):                              # … and opened
        try:
            read()
        except (SecondTakeError, OSError):
            return "refused"
        return "READ"

    print("inspect", opens(lambda: exr_guard.inspect(plate)))
    print("pixels", opens(lambda: exr_read.read_planes(file, part=0)))
    if kernel:
        print("still", opens(lambda: stills.read_still(still)))
        print("write", opens(lambda: (root / "plate" / "new").write_bytes(b"x")))
        print("remove", opens(lambda: (root / "plate" / "p.1.exr").unlink()))
        print("rename", opens(lambda: (root / "plate" / "p.1.exr").rename(root / "mine.exr")))
        print("link", opens(lambda: (root / "mine.exr").hardlink_to(outside / "p.1.exr")))
        print("list", opens(lambda: list((root / "plate").iterdir())))
    """
)


@needs_linux
@pytest.mark.parametrize("by", ["kernel", "fence"])
def test_a_link_that_is_swapped_after_the_check(tmp_path: Path, by: str) -> None:
    """By the kernel (Landlock) all of it; by our own second look, where the kernel has none, the EXRs."""
    if by == "kernel" and not state().landlock_abi:
        pytest.skip("this kernel has no Landlock")
    root, outside, own = (tmp_path / name for name in ("show", "private", "cache"))
    for folder in (root / "plate", root / "stills", outside, own):
        folder.mkdir(parents=True)
    plate = write_plate(root / "plate" / "p.1.exr", Part(channels={"R": "f2"}, size=(8, 8)))
    twin = outside / "p.1.exr"  # the same size and time: only where it lies tells it apart
    twin.write_bytes(plate.read_bytes())
    os.utime(twin, ns=(plate.stat().st_atime_ns, plate.stat().st_mtime_ns))
    (root / "stills" / "s.png").write_bytes(b"no matter")
    (outside / "s.png").write_bytes(png(4, 4, bits=8, colour=0))
    command = [sys.executable, "-c", RACE, str(root), str(outside), str(own), by]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "checked\n"
        for name in ("plate", "stills"):
            (root / name).rename(root / f"{name}.away")
            (root / name).symlink_to(outside)
        said, _ = worker.communicate("go\n", timeout=60)
    assert worker.returncode == 0
    outcomes = dict(line.split() for line in said.splitlines())
    assert len(outcomes) == (8 if by == "kernel" else 2) and set(outcomes.values()) == {"refused"}, outcomes
    assert sorted(path.name for path in outside.iterdir()) == ["p.1.exr", "s.png"]


def real_worker(net: Net) -> None:
    net.own.stop()
    net.place.settings(tcp="127.0.0.1:0", roots=[str(net.place.root / "show")], worker_command=[])
    net.own = net.place.client()


def test_a_real_worker_under_roots_makes_a_take_and_a_swapped_plate_is_an_error_of_the_job(net: Net) -> None:
    real_worker(net)
    show, private = net.place.root / "show", net.place.root / "private"
    (show / "plate").mkdir()
    private.mkdir()
    part = Part(channels=dict.fromkeys("RGB", "f2"), size=(32, 32))
    for frame in (1, 2):
        write_plate(show / "plate" / f"p.{frame:04d}.exr", part, planes=smooth_planes(part))
        write_plate(private / f"p.{frame:04d}.exr", part, planes=smooth_planes(part))
    write_plate(show / "m.exr", Part(channels={"A": "f2"}, size=(32, 32)), planes={"A": np.ones((32, 32), np.float16)})
    request = net.request(plate=str(show / "plate" / "p.####.exr"), matte=str(show / "m.exr"), engine="standin")
    assert net.own.run(request, timeout_s=30.0).frames == (1, 2)
    (show / "plate" / "p.0002.exr").unlink()
    (show / "plate" / "p.0002.exr").symlink_to(private / "p.0002.exr")
    again = replace(request, job=uuid.uuid4().hex, out=str(show / "again"))
    with pytest.raises(BadInput, match=r"outside|cannot be read"):
        net.own.run(again, timeout_s=30.0)
    assert not (show / "again").exists() or not list((show / "again").iterdir())
    assert net.own.status().condition == ""


def test_an_output_folder_that_became_a_link_is_not_swept(place: Place, tmp_path: Path) -> None:
    root, outside = tmp_path / "show", tmp_path / "private"
    for folder in (root, outside):
        folder.mkdir()
    (outside / "sh.t1.0001.exr").write_bytes(b"frame")
    ledger_path(outside, "t1").write_bytes(
        msgspec.json.encode(LedgerHead(job="j", take="t1", shot="sh", made_folders=()))
    )
    (root / "out").symlink_to(outside)
    log = Log(place.home.logs / "daemon.log", most_bytes=1 << 20, most_files=1)
    with zmq.Context() as context:
        for roots, is_left in (([str(root)], True), ([], False)):
            janitor = Janitor(context, log, cache=place.home.cache, roots=roots)
            janitor.sweep("j", out=root / "out", shot="sh", take="t1")
            wait_for(lambda janitor=janitor: janitor.receive() == "j")
            janitor.close()
            assert (outside / "sh.t1.0001.exr").exists() is is_left


def test_nothing_is_queued_that_was_refused(net: Net) -> None:
    far = net.connect(net.allow("farm"))
    show = net.place.root / "show"
    (show / "out").symlink_to("/etc")
    for changes in ({"plate": "/etc/passwd"}, {"out": str(show / "out" / "x")}, {"matte": f"{show}/../m.exr"}):
        with pytest.raises((BadInput, UsageError)):
            far.submit(net.request(**{"out": "show/fine", **changes}))
    assert net.own.jobs() == []
    assert far.run(net.request("frames=1", out="show/fine")).frames
    assert net.own.jobs()[0].state is JobState.DONE
