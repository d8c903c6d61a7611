"""What goes with a take, and what stays for another, without Blender."""

from __future__ import annotations

import json
from pathlib import Path

from secondtake_blender.clearing import clear_beside, make_work_folder, rendered_folders


def take(folder: Path, **request: str) -> Path:
    """A folder with a take.json, and one that a background Blender filled."""
    folder.mkdir(parents=True)
    (folder / "take.json").write_text(json.dumps({"request": request}, ensure_ascii=False), encoding="utf-8")
    rendered = Path(f"{folder}.render")
    make_work_folder(rendered / "plate")
    (rendered / "plate" / "plate.0001.exr").touch()
    return rendered


def clear(folder: Path, *, used: tuple[Path, ...] = (), others: tuple[Path, ...] = ()) -> None:
    (folder / "take.json").unlink(missing_ok=True)
    chore = clear_beside(str(folder), used=map(str, used), others=map(str, others))
    chore.finish()
    assert chore.problem is None


def test_what_was_rendered_for_a_take_goes_with_it(tmp_path: Path) -> None:
    rendered, other = take(tmp_path / "shot é" / "a"), take(tmp_path / "shot é" / "b")
    (tmp_path / "shot é" / "a.compare").mkdir()
    clear(tmp_path / "shot é" / "a")
    assert not rendered.exists() and other.is_dir()
    assert sorted(path.name for path in (tmp_path / "shot é").iterdir()) == ["a", "b", "b.render"]


def test_what_another_take_was_made_from_stays(tmp_path: Path) -> None:
    rendered = take(tmp_path / "shot é" / "a")
    take(tmp_path / "shot é" / "b", matte=f"{rendered}/matte/matte.####.exr")
    clear(tmp_path / "shot é" / "a")
    assert rendered.is_dir()
    clear(tmp_path / "shot é" / "b", used=(rendered,))
    assert not rendered.exists(), "the last one that needed it is gone"


def test_a_take_elsewhere_that_the_file_knows_is_asked_too(tmp_path: Path) -> None:
    rendered = take(tmp_path / "shot" / "a")
    take(tmp_path / "elsewhere" / "b", plate=f"{rendered}/plate/plate.####.exr")
    clear(tmp_path / "shot" / "a", others=(tmp_path / "elsewhere" / "b",))
    assert rendered.is_dir()


def test_what_belongs_to_a_take_that_is_there_stays(tmp_path: Path) -> None:
    rendered = take(tmp_path / "shot" / "a")
    take(tmp_path / "shot" / "b")
    clear(tmp_path / "shot" / "b", used=(rendered,))
    assert rendered.is_dir()


def test_a_name_that_only_begins_alike_is_another(tmp_path: Path) -> None:
    rendered = take(tmp_path / "shot" / "a")
    take(tmp_path / "shot" / "b", plate=f"{rendered}ed/plate.####.exr")
    clear(tmp_path / "shot" / "a")
    assert not rendered.exists()


def test_an_artists_own_folder_of_such_a_name_stays(tmp_path: Path) -> None:
    plates = tmp_path / "show.render" / "plates"
    plates.mkdir(parents=True)
    (plates / "sh010.0001.exr").touch()
    take(tmp_path / "takes" / "a", plate=f"{plates}/sh010.####.exr")
    clear(tmp_path / "takes" / "a", used=(plates.parent,))
    assert (plates / "sh010.0001.exr").is_file()


def test_folders_are_found_above_files() -> None:
    paths = ["/t/a.render/matte/m.####.exr", "/t/a.render/plate/p.####.exr", "", "/show/sh010.####.exr"]
    assert rendered_folders(paths) == [str(Path("/t/a.render"))]
