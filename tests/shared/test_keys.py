from __future__ import annotations

from pathlib import Path

import pytest

from secondtake.errors import Incompatible
from secondtake.home import Home
from secondtake.keys import allowed_keys, ensure_pair, introduce_client


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.find(tmp_path)
    home.create()
    return home


def test_a_pair_is_made_once_and_only_its_owner_may_read_it(home: Home) -> None:
    pair = ensure_pair(home, "client")
    file = home.config / "keys" / "client.key"
    assert ensure_pair(home, "client") == pair
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert ensure_pair(home, "daemon") != pair


def test_no_secret_in_the_representation(home: Home) -> None:
    pair = ensure_pair(home, "client")
    assert pair.secret not in repr(pair)
    assert pair.secret not in f"{pair}"


def test_a_damaged_pair_is_named(home: Home) -> None:
    ensure_pair(home, "client")
    (home.config / "keys" / "client.key").write_text("public short\n")
    with pytest.raises(Incompatible, match="damaged"):
        ensure_pair(home, "client")


def test_the_allow_list_holds_public_halves_only(home: Home) -> None:
    pair = introduce_client(home)
    introduce_client(home)
    folder = home.config / "clients"
    assert allowed_keys(folder) == {pair.public}
    assert pair.secret not in "".join(path.read_text() for path in folder.iterdir())


def test_damaged_files_allow_nobody(home: Home) -> None:
    folder = home.config / "clients"
    assert allowed_keys(folder) == frozenset()
    folder.mkdir()
    (folder / "empty.key").write_text("")
    (folder / "binary.key").write_bytes(b"public \xff\xfe\n")
    (folder / "other.txt").write_text("public " + "a" * 40)
    (folder / "secret.key").write_text("secret " + "a" * 40)
    assert allowed_keys(folder) == frozenset()
