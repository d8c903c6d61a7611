"""Which take is meant, what hangs on it, and a list of thousands without opening one take.json."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secondtake.errors import BadInput, Incompatible, NotFound
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import Manifest
from secondtake_daemon.takes.notes import NO_NOTES, Notes, read_notes, write_notes
from secondtake_daemon.takes.removal import doomed, remove


def take_json(take: str, *, shot: str = "sh010", parent: str = "", files: tuple[str, ...] = ()) -> dict[str, Any]:
    request = {"job": take, "shot": shot, "plate": "", "matte": "", "out": "", "operation": "remove"}
    frame = {"digest": "", "plate": "", "plate_digest": "", "matte_digest": "", "way": "copy"}
    counts = {"outside_changed": 0, "outside_samples": 0, "inside_samples": 0}
    return {
        "take": take,
        "shot": shot,
        "parent": parent,
        "made": "2026-01-01T00:00:00+00:00",
        "software": "",
        "libraries": {},
        "request": request,
        "engine": {"name": "standin", "version": "1"},
        "plate": {"name": "", "colourspace": "", "colourspace_assumed": False, "channels": [], "part": 0},
        "matte": {"name": "", "channel": "", "grow_px": 0, "feather_px": 0},
        "crop": [0, 0, 0, 0],
        "windows": [],
        "frames": [{"frame": at, "file": file, **frame, **counts} for at, file in enumerate(files)],
        "proof": counts,
        "seconds": 0,
        "supports": {"file": f"{shot}.{take}.supports", "digest": ""} if files else None,
    }


class Shelf:
    def __init__(self, root: Path) -> None:
        self.root = root / "takes"
        self.places = root / "places"

    def put(self, take: str, *, folder: str = "", **values: object) -> Path:
        place = self.places / (folder or take)
        place.mkdir(parents=True)
        files = tuple(f"{values.get('shot', 'sh010')}.{take}.{frame}.exr" for frame in (1, 2))
        for file in files:
            (place / file).write_bytes(b"pixels")
        document = take_json(take, **{"files": files, **values})
        if document["supports"]:
            (place / document["supports"]["file"]).write_bytes(b"bits")
        (place / "take.json").write_bytes(msgspec.json.encode(document))
        registry.register(self.root, msgspec.convert(document, Manifest), place)
        return place

    def find(self, name: str) -> Path:
        return registry.find(self.root, name)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_by_id_beginning_name_shot_and_folder(shelf: Shelf) -> None:
    one, two = shelf.put("tab1234"), shelf.put("tab9999", shot="sh020")
    write_notes(shelf.root, "tab1234", Notes(name="beard"))
    write_notes(shelf.root, "tab9999", Notes(name="beard"))
    write_notes(shelf.root, "tab9999", Notes(name="no moustache"))
    for name in ("tab1234", "tab1", "beard", "sh010/beard", "sh010/tab1234", str(one), str(one / "take.json")):
        assert shelf.find(name) == one, name
    assert shelf.find("no moustache") == two
    assert shelf.find("sh020/tab") == two


def test_unknown_and_ambiguous_say_what_there_is(shelf: Shelf) -> None:
    shelf.put("tab1234")
    shelf.put("tab9999", shot="sh020")
    for take in ("tab1234", "tab9999"):
        write_notes(shelf.root, take, Notes(name="beard"))
    for name in ("tab", "beard"):
        with pytest.raises(BadInput, match=r"could be .*tab9999 \(sh020/beard\)") as error:
            shelf.find(name)
        assert "tab1234 (sh010/beard)" in error.value.message
        assert error.value.exit_status == 12
    for name in ("tab1235", "berad", "ta", "nothing like it", "", "sh030/beard", "sh010/", "\0", "x" * 5000):
        with pytest.raises(NotFound, match="There is no take") as missing:
            shelf.find(name)
        assert "tab1234" in missing.value.remedy
    with pytest.raises(NotFound, match="3 characters"):
        shelf.find("ta")
    with pytest.raises(NotFound) as nothing:
        registry.find(shelf.root / "empty", "tab1234")
    assert "There is" not in nothing.value.remedy


def test_a_whole_id_wins_over_a_name_and_over_longer_ids(shelf: Shelf) -> None:
    short, _ = shelf.put("tab123"), shelf.put("tab1234")
    assert shelf.find("tab123") == short


def test_a_folder_and_a_name_that_mean_different_takes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("tab1234")
    shelf.put("tcd5678", folder="beard")
    write_notes(shelf.root, "tab1234", Notes(name="beard"))
    monkeypatch.chdir(shelf.places)
    with pytest.raises(BadInput, match="is a folder with take tcd5678 here, and also the name of take tab1234"):
        shelf.find("beard")
    write_notes(shelf.root, "tab1234", NO_NOTES)
    assert shelf.find("beard").absolute() == shelf.places / "beard"


def test_a_take_that_was_moved(shelf: Shelf) -> None:
    old = shelf.put("tab1234")
    new = old.rename(shelf.places / "elsewhere")
    with pytest.raises(NotFound, match="Take tab1234 of sh010 is not in its folder any more") as error:
        shelf.find("tab1")
    assert (error.value.path, "give the folder" in error.value.remedy) == (str(old), True)
    assert shelf.find(str(new)) == new
    assert shelf.find("tab1") == new, "it was entered again"


def test_a_copy_does_not_take_the_place_of_the_take(shelf: Shelf) -> None:
    old = shelf.put("tab1234")
    copy = shutil.copytree(old, shelf.places / "copy")
    assert shelf.find(str(copy)) == copy
    assert shelf.find("tab1234") == old


def test_a_take_of_another_home_is_found_by_its_folder(shelf: Shelf, tmp_path: Path) -> None:
    place = Shelf(tmp_path / "other").put("tab1234")
    assert shelf.find(str(place)) == place
    assert shelf.find("tab1234") == place


def test_another_take_in_the_folder(shelf: Shelf) -> None:
    place = shelf.put("tab1234")
    (place / "take.json").write_bytes(msgspec.json.encode(take_json("tcd5678")))
    with pytest.raises(NotFound, match="holds another take now, tcd5678"):
        shelf.find("tab1234")


def test_an_id_that_would_lead_out_of_the_registry(shelf: Shelf) -> None:
    place = shelf.put("tab1234")
    (place / "take.json").write_bytes(msgspec.json.encode(take_json("../../evil")))
    with pytest.raises(Incompatible, match="is no id of a take"):
        shelf.find(str(place))


def test_children_come_before_what_they_stand_on(shelf: Shelf) -> None:
    for take, parent in (("ta", ""), ("tb", "ta"), ("tc", "tb"), ("td", "ta"), ("te", "")):
        shelf.put(take, parent=parent)
    found = [entry.take for entry in registry.children_of("ta", registry.entries(shelf.root))]
    assert sorted(found) == ["tb", "tc", "td"]
    assert found.index("tc") < found.index("tb")
    assert registry.children_of("te", registry.entries(shelf.root)) == []


def test_notes_beside_the_pointers(shelf: Shelf) -> None:
    shelf.put("tab1234")
    assert read_notes(shelf.root, "tab1234") == NO_NOTES
    write_notes(shelf.root, "tab1234", Notes(name="a", note="b", starred=True))
    assert read_notes(shelf.root, "tab1234") == Notes(name="a", note="b", starred=True)
    assert [entry.take for entry in registry.entries(shelf.root)] == ["tab1234"]
    (shelf.root / "tab1234.notes.json").write_bytes(b"{")
    assert read_notes(shelf.root, "tab1234") == NO_NOTES
    (shelf.root / "tab1234.json").write_bytes(b"{")
    assert registry.entries(shelf.root) == []


@pytest.mark.parametrize(
    ("name", "is_one"), [("t3k9x0c", True), ("trees", False), ("beard", False), ("texture", False)]
)
def test_what_looks_like_an_id(name: str, is_one: bool) -> None:
    assert registry.looks_like_id(name) is is_one


def test_a_list_opens_no_take_json(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    document = msgspec.convert(take_json("t0"), Manifest)
    shelf.root.mkdir(parents=True)
    for number in range(2000):
        entry = registry.entry_of(msgspec.structs.replace(document, take=f"t{number}"), shelf.places / f"t{number}")
        (shelf.root / f"t{number}.json").write_bytes(msgspec.json.encode(entry))
    opened: list[object] = []
    monkeypatch.setattr(registry, "load", opened.append)
    began_s = time.perf_counter()
    found = registry.entries(shelf.root, shot="sh010")
    notes = [read_notes(shelf.root, entry.take) for entry in found]
    took_s = time.perf_counter() - began_s
    assert (len(found), len(notes), opened) == (2000, 2000, [])
    began_s = time.perf_counter()
    for path in shelf.root.iterdir():
        path.read_bytes()
    assert took_s < 20 * (time.perf_counter() - began_s), "far more than to read the files"


def test_deleting_takes_exactly_its_own_files(shelf: Shelf) -> None:
    place = shelf.put("tab1234")
    (place / "sh010.tab1234.3.exr").write_bytes(b"not named by take.json")
    (place / "notes.txt").write_text("mine")
    write_notes(shelf.root, "tab1234", Notes(name="x"))
    (entry,) = registry.entries(shelf.root)
    going = doomed(entry)
    assert going.files[-1].name == "take.json"
    assert going.size_bytes == sum(path.stat().st_size for path in going.files)
    remove(going, root=shelf.root)
    assert sorted(path.name for path in place.iterdir()) == ["notes.txt", "sh010.tab1234.3.exr"]
    assert list(shelf.root.iterdir()) == []


def test_deleting_goes_on_after_a_kill_and_removes_an_empty_folder(shelf: Shelf) -> None:
    place = shelf.put("tab1234")
    (place / "sh010.tab1234.1.exr").unlink()
    (entry,) = registry.entries(shelf.root)
    assert [file.name for file in doomed(entry).files] == ["sh010.tab1234.2.exr", "sh010.tab1234.supports", "take.json"]
    remove(doomed(entry), root=shelf.root)
    assert not place.exists()
    assert registry.entries(shelf.root) == []


@pytest.mark.parametrize("name", ["../other/take.json", "/etc/hostname", "..", "take.json", "", "sh010.1001.exr"])
def test_a_manifest_that_names_what_is_not_its_own(shelf: Shelf, name: str) -> None:
    place = shelf.put("tab1234")
    (place / "take.json").write_bytes(msgspec.json.encode(take_json("tab1234", files=(name,))))
    (entry,) = registry.entries(shelf.root)
    with pytest.raises(Incompatible, match="cannot be its file"):
        doomed(entry)
    assert len(list(place.iterdir())) == 4


def test_deleting_a_copy_keeps_the_take_on_the_list(shelf: Shelf) -> None:
    old = shelf.put("tab1234")
    copy = shutil.copytree(old, shelf.places / "copy")
    (entry,) = registry.entries(shelf.root)
    remove(doomed(msgspec.structs.replace(entry, folder=str(copy))), root=shelf.root)
    assert not copy.exists()
    assert shelf.find("tab1234") == old


def test_a_folder_that_holds_another_take_now_is_left_alone(shelf: Shelf) -> None:
    place = shelf.put("tab1234")
    (place / "take.json").write_bytes(msgspec.json.encode(take_json("tcd5678", files=("x.exr",))))
    (entry,) = registry.entries(shelf.root)
    going = doomed(entry)
    assert going.files == ()
    remove(going, root=shelf.root)
    assert len(list(place.iterdir())) == 4
    assert registry.entries(shelf.root) == []
