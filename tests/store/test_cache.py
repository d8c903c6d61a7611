"""The cache as a whole: under its limit, with what must stay, counted as `du` counts, and honest about damage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from secondtake_daemon.store.cache import MOVIES, Cache, patch_name
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.store.leases import GRACE_S, Lease, leases
from secondtake_daemon.store.movies import COMPLETE, damaged_frames, drop_damaged, keep_frame
from secondtake_daemon.store.patches import StoredPatch
from secondtake_daemon.store.pins import Pin, pin, pins, unpin
from secondtake_daemon.store.usage import Kind

KEYS = [f"{index:02x}" * 32 for index in range(12)]
PIXELS = 4000


def cache_of(root: Path, most_bytes: int = 1 << 40) -> Cache:
    return Cache(root / "cache", most_bytes=most_bytes, takes=root / "takes")


def fill(root: Path, keys: list[str] = KEYS) -> Cache:
    """Patches of some 48 kB each, the first one used longest ago."""
    cache = cache_of(root)
    for at, key in enumerate(keys):
        assert cache.put(key, StoredPatch((np.full((PIXELS, 3), at, np.float32),)))
        os.utime(root / "cache" / patch_name(key), (at, at))
    return cache


def there(root: Path) -> list[str]:
    return [key for key in KEYS if (root / "cache" / patch_name(key)).exists()]


def du(root: Path) -> int:
    return int(subprocess.run(["du", "-s", "-B1", str(root)], capture_output=True, check=True).stdout.split()[0])


def make_movie(root: Path, name: str, used: float) -> Path:
    folder = root / "cache" / MOVIES / name
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        (folder / f"frame.{number:06d}.exr").write_bytes(bytes(50_000))
    (folder / COMPLETE).touch()
    os.utime(folder, (used, used))
    return folder


def make_thumbnail(root: Path, name: str, used: float) -> Path:
    path = root / "cache" / "thumbnails" / f"{name}.1001.256.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(50_000))
    os.utime(path, (used, used))
    return path


def make_take(root: Path, plate: Path) -> None:
    folder = root / "out"
    folder.mkdir()
    (folder / "take.json").write_text(json.dumps({"frames": [{"plate": str(plate)}]}))
    (root / "takes").mkdir()
    (root / "takes" / "t1.json").write_text(json.dumps({"take": "t1", "folder": str(folder)}))


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    assert cache.get(KEYS[0], counts=(PIXELS,)) is not None
    freed = cache.evict(to_bytes=du(tmp_path / "cache") - 90_000)
    assert freed.objects == 2
    assert there(tmp_path) == [KEYS[0], *KEYS[3:]]
    assert cache.evict(to_bytes=freed.left_bytes).objects == 0


def test_its_own_limit_holds_while_it_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondtake_daemon.store.cache._LEAST_GROWTH_BYTES", 40_000)
    cache = cache_of(tmp_path, most_bytes=300_000)
    for key in KEYS:
        cache.put(key, StoredPatch((np.ones((PIXELS, 3), np.float32),)))
        assert du(tmp_path / "cache") <= 300_000 + 60_000
    assert len(there(tmp_path)) < len(KEYS)


def test_what_jobs_hold_and_what_is_pinned_stays(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    pin(tmp_path / "cache" / "pins", Pin(take="t1", shot="sh", names=(patch_name(KEYS[1]),)))
    with Lease(tmp_path / "cache" / "jobs" / "a") as lease:
        lease.hold(patch_name(KEYS[4]))
        cache_of(tmp_path).evict(to_bytes=0)
        assert there(tmp_path) == [KEYS[1], KEYS[4]]
        stats = cache.stats()
        assert (stats.held_by_jobs, [one.take for one in stats.pins]) == (1, ["t1"])
        assert stats.kept_bytes >= 2 * 48_000
    cache.evict(to_bytes=0)
    assert there(tmp_path) == [KEYS[1]]
    assert unpin(tmp_path / "cache" / "pins", "t1") and not unpin(tmp_path / "cache" / "pins", "t1")
    cache.evict(to_bytes=0)
    assert there(tmp_path) == []


def test_a_killed_worker_keeps_its_jobs_patches_for_the_next_attempt(tmp_path: Path) -> None:
    cache, scratch = fill(tmp_path), tmp_path / "cache" / "jobs" / "a"
    code = (
        "import os, sys; from pathlib import Path; from secondtake_daemon.store.leases import Lease\n"
        "Lease(Path(sys.argv[1])).hold(sys.argv[2]); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(scratch), patch_name(KEYS[2])], check=False)
    cache.evict(to_bytes=0)
    assert there(tmp_path) == [KEYS[2]]
    assert Lease(scratch).earlier == (patch_name(KEYS[2]),)
    old = time.time() - GRACE_S - 10
    for path in (scratch / "lease.json", scratch):
        os.utime(path, (old, old))
    assert leases(scratch.parent) == {}
    cache.evict(to_bytes=0)
    assert there(tmp_path) == []
    assert not scratch.exists()


def test_a_lease_that_lives_is_never_too_old(tmp_path: Path) -> None:
    scratch = tmp_path / "jobs" / "a"
    Lease(scratch).hold("patches/x")
    for path in (scratch / "lease.json", scratch):
        os.utime(path, (1, 1))
    assert leases(tmp_path / "jobs") == {"a": ("patches/x",)}


def test_a_damaged_lease_or_pin_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "a").mkdir(parents=True)
    (tmp_path / "jobs" / "a" / "lease.json").write_bytes(b"{")
    (tmp_path / "pins").mkdir()
    (tmp_path / "pins" / "t.json").write_bytes(b"[]")
    assert leases(tmp_path / "jobs") == {}
    assert pins(tmp_path / "pins") == ()


def test_movies_go_whole_and_not_while_a_take_names_them(tmp_path: Path) -> None:
    cache = fill(tmp_path, KEYS[:2])
    named, other = make_movie(tmp_path, "aa.1", 1), make_movie(tmp_path, "bb.1", 2)
    make_take(tmp_path, named / "frame.000001.exr")
    assert cache.stats().movies_of_takes == 1
    with Lease(tmp_path / "cache" / "jobs" / "a") as lease:
        lease.hold(MOVIES)
        cache.evict(to_bytes=0)
        assert named.exists() and other.exists()
    cache.evict(to_bytes=0)
    assert sorted(os.listdir(tmp_path / "cache" / MOVIES)) == ["aa.1"]
    assert len(os.listdir(named)) == 4
    (tmp_path / "out" / "take.json").unlink()
    cache.evict(to_bytes=0)
    assert os.listdir(tmp_path / "cache" / MOVIES) == []


def test_stats_agree_with_du(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    make_movie(tmp_path, "aa.1", 1)
    make_thumbnail(tmp_path, "ta", 1)
    (tmp_path / "cache" / "jobs" / "a").mkdir(parents=True)
    (tmp_path / "cache" / "jobs" / "a" / "proxy").write_bytes(bytes(70_001))
    os.link(tmp_path / "cache" / "jobs" / "a" / "proxy", tmp_path / "cache" / "jobs" / "a" / "again")
    with (tmp_path / "cache" / "jobs" / "a" / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    stats = cache.stats()
    assert stats.total_bytes == pytest.approx(du(tmp_path / "cache"), rel=0.01)
    assert sum(usage.size_bytes for usage in stats.usages) == stats.total_bytes
    counts = {usage.kind: usage.objects for usage in stats.usages}
    assert counts == {Kind.PATCH: 12, Kind.MOVIE: 1, Kind.THUMBNAIL: 1, Kind.JOB: 1, Kind.REST: 0}
    assert {usage.kind: usage.oldest_use for usage in stats.usages}[Kind.PATCH] == 0
    for usage in stats.usages[:3]:
        assert usage.size_bytes == pytest.approx(du(tmp_path / "cache" / usage.kind.value), rel=0.01)


def test_part_files_of_the_dead_go(tmp_path: Path) -> None:
    cache = fill(tmp_path, KEYS[:1])
    old, new = (tmp_path / "cache" / "patches" / "00" / f".k.{pid}.part" for pid in (1, 2))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.evict()
    assert (old.exists(), new.exists()) == (False, True)
    assert there(tmp_path) == KEYS[:1]


def test_an_empty_home_has_an_empty_cache(tmp_path: Path) -> None:
    stats = cache_of(tmp_path).stats()
    assert (stats.total_bytes, stats.kept_bytes) == (0, 0)
    assert cache_of(tmp_path).evict(to_bytes=0).objects == 0


def test_a_damaged_frame_of_a_movie_is_found(tmp_path: Path) -> None:
    frames = [tmp_path / f"frame.{number:06d}.exr" for number in (1, 2, 3)]
    for path in frames:
        keep_frame(path, lambda part: part.write_bytes(b"pixels " * 100))
    keep_frame(tmp_path / COMPLETE, lambda part: part.touch())
    frames.append(tmp_path / "frame.000004.exr")
    frames[3].write_bytes(b"of an older version, not noted")
    assert damaged_frames(frames, FileDigests(), step=lambda: None) == []
    frames[1].write_bytes(b"pixels " * 99 + b"PIXELS ")
    assert drop_damaged(frames, FileDigests(), step=lambda: None) == 1
    assert [path.exists() for path in frames] == [True, False, True, True]
    assert not (tmp_path / COMPLETE).exists()


def test_pictures_of_takes_that_are_no_more_go(tmp_path: Path) -> None:
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "tkept.json").write_text("{}")
    kept, gone = make_thumbnail(tmp_path, "tkept", 1), make_thumbnail(tmp_path, "tgone", 1)
    new = make_thumbnail(tmp_path, "tnew", time.time())
    assert cache_of(tmp_path).evict().objects == 1
    assert kept.exists() and new.exists() and not gone.exists()


def test_pictures_count_and_go_like_patches(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "tkept.json").write_text("{}")
    old, young = make_thumbnail(tmp_path, "tkept", 0.5), make_thumbnail(tmp_path, "tkept.1", 100)
    usage = next(each for each in cache.stats().usages if each.kind is Kind.THUMBNAIL)
    assert usage.objects == 2 and usage.size_bytes >= 100_000
    cache.evict(to_bytes=du(tmp_path / "cache") - 3 * 50_000)
    assert not old.exists() and young.exists()
    assert len(there(tmp_path)) < len(KEYS)
