"""Small parts of the service: take ids, lines, sessions, watchers, the log, the intake, the catalogue."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from secondtake.errors import BadInput, NoSuchEngine, SecondTakeError, UsageError
from secondtake.messages import Event, FixRequest, Hello, JobState, JobView, Operation, Reference, Refused
from secondtake_daemon.engines.catalogue import CARDS, Catalogue, factory
from secondtake_daemon.service import intake
from secondtake_daemon.service.lines import Lines
from secondtake_daemon.service.log import Log
from secondtake_daemon.service.sessions import Peer, Sessions
from secondtake_daemon.service.take_id import take_id
from secondtake_daemon.service.watchers import Watchers

REQUEST = FixRequest(
    job="a" * 32, shot="sh010", plate="/p/x.####.exr", matte="/m/x.exr", out="/o", operation=Operation.REMOVE
)
CATALOGUE = Catalogue(None)
VIEW = JobView(
    job="a" * 32,
    shot="sh010",
    state=JobState.QUEUED,
    operation=Operation.REMOVE,
    engine="temporal",
    out="/o",
    submitted=0.0,
)


def check(request: FixRequest, *, roots: Sequence[str], is_remote: bool) -> None:
    """With the engines that are built in."""
    intake.check(request, roots=roots, is_remote=is_remote, catalogue=CATALOGUE)


def test_take_id_is_fixed_for_ever() -> None:
    assert take_id("0" * 32, is_taken=lambda name: False) == "tka8kqg"


@given(st.uuids(), st.integers(0, 12))
def test_take_id_grows_until_it_is_free(job: uuid.UUID, taken_count: int) -> None:
    taken: set[str] = set()
    names = [take_id(job.hex, is_taken=taken.__contains__)]
    for _ in range(taken_count):
        taken.add(names[-1])
        names.append(take_id(job.hex, is_taken=taken.__contains__))
    assert [len(name) for name in names] == list(range(7, 8 + taken_count))
    assert all(name[0] == "t" and not set(name[1:]) - set("0123456789abcdefghjkmnpqrstvwxyz") for name in names)
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(names))


def test_hosts_take_turns() -> None:
    lines = Lines()
    for number in range(3):
        lines.add("a", f"a{number}")
    lines.add("b", "b0")
    lines.add("c", "c0")
    assert [lines.take() for _ in range(6)] == ["a0", "b0", "c0", "a1", "a2", None]


def test_a_job_put_back_is_first_in_its_line() -> None:
    lines = Lines()
    for job in ("a0", "a1"):
        lines.add("a", job)
    job = lines.take()
    assert job == "a0"
    lines.put_back("a", job)
    lines.remove("a", "a1")
    assert (len(lines), lines.take(), lines.take(), len(lines)) == (1, "a0", None, 0)
    with pytest.raises(ValueError, match="no line"):
        lines.remove("a", "a0")


def test_sessions_hide_control_characters_and_are_bounded() -> None:
    sessions = Sessions(now_s=0.0)
    peer = Peer(False, b"1")
    hello = Hello(protocol_min=1, protocol_max=1, client="evil\n\x1b[31m" + "x" * 500, pid=7)
    sessions.greet(peer, hello, is_remote=False, now_s=1.0)
    session = sessions.heard(peer, now_s=2.0)
    assert session is not None
    assert session.host.isprintable()
    assert len(session.host) < 150
    assert (sessions.present(now_s=3.0), sessions.present(now_s=100.0), sessions.last_word_s) == (1, 0, 2.0)
    for number in range(10_001):
        sessions.greet(Peer(False, str(number).encode() + b"."), hello, is_remote=False, now_s=3.0)
    assert sessions.heard(peer, now_s=4.0) is None


def test_a_slow_watcher_gets_the_last_state_and_a_lost_one_none() -> None:
    watchers = Watchers()
    slow, lost = Peer(False, b"slow"), Peer(False, b"lost")
    got: list[tuple[bytes, Event | Refused]] = []
    is_open = False

    def send(peer: Peer, request_id: bytes, event: Event | Refused) -> bool | None:
        if peer == lost:
            return None
        if is_open:
            got.append((request_id, event))
        return is_open

    watchers.add(slow, b"1", VIEW)
    watchers.add(lost, b"2", VIEW)
    watchers.send(send)
    for done in range(5):
        watchers.notify(replace(VIEW, done=done))
        watchers.send(send)
    assert not got
    assert watchers.has_unsent
    is_open = True
    watchers.notify(replace(VIEW, state=JobState.DONE))
    watchers.send(send)
    assert [event.view.state for _, event in got if isinstance(event, Event)] == [JobState.DONE]
    watchers.notify(replace(VIEW, state=JobState.DONE))
    assert not watchers.has_unsent


def test_one_client_cannot_watch_without_end() -> None:
    watchers = Watchers()
    peer = Peer(False, b"1")
    assert all(watchers.add(peer, str(number).encode(), VIEW) for number in range(1000))
    assert watchers.add(peer, b"5", VIEW)  # the same watch again
    assert not watchers.add(peer, b"one more", VIEW)


def test_the_log_is_json_and_of_limited_size(tmp_path: Path) -> None:
    log = Log(tmp_path / "daemon.log", most_bytes=4096, most_files=2)
    for number in range(200):
        log.info("event", number=number, text='quote " and\nnewline')
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert all(path.stat().st_size < 4096 + 200 for path in tmp_path.iterdir())
    last = json.loads((tmp_path / "daemon.log").read_text().splitlines()[-1])
    assert (last["number"], last["level"], last["text"]) == (199, "info", 'quote " and\nnewline')


def test_a_log_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    Log(tmp_path / "missing" / "daemon.log", most_bytes=4096, most_files=2).warning("lost")


@pytest.mark.parametrize("shot", ["sh010", "a", "Dämmerung_02", "my shot", "a.b-c_d", "x" * 100])
def test_good_shot_names(shot: str) -> None:
    check(replace(REQUEST, shot=shot), roots=(), is_remote=False)


@pytest.mark.parametrize(
    "shot", ["", ".", "..", "a/b", "a\\b", "-a", ".a", "a.", "a ", "a\n", "a#", "a%d", "a@", "con", "NUL.x", "x" * 101]
)
def test_bad_shot_names(shot: str) -> None:
    with pytest.raises(UsageError, match="shot's name"):
        check(replace(REQUEST, shot=shot), roots=(), is_remote=False)


@pytest.mark.parametrize("job", ["", "A" * 32, "a" * 31, "a" * 33, "../" + "a" * 29, "a" * 32 + "\n"])
def test_bad_job_ids(job: str) -> None:
    with pytest.raises(UsageError, match="job id"):
        check(replace(REQUEST, job=job), roots=(), is_remote=False)


@pytest.mark.parametrize("path", ["relative/x.exr", "", "~/x.exr", "/a\0b", "/" + "x" * 5000])
@pytest.mark.parametrize("field", ["plate", "matte", "out", "references", "ocio"])
def test_paths_must_be_absolute(field: str, path: str) -> None:
    value = (Reference(path=path),) if field == "references" else path
    if field == "ocio" and "/" not in path:
        return
    is_left_out = not path and field in ("plate", "matte")  # as `generate` may, which has none
    with pytest.raises(UsageError, match=f"There is no {field}" if is_left_out else "absolute"):
        check(replace(REQUEST, engine="standin", **{field: value}), roots=(), is_remote=False)


def test_an_engine_that_takes_painted_frames_refuses_an_image_without_a_frame() -> None:
    request = replace(REQUEST, references=(Reference(path="/r.exr"),))
    with pytest.raises(BadInput, match="names no frame"):
        check(request, roots=(), is_remote=False)
    check(replace(request, engine="standin"), roots=(), is_remote=False)


def test_roots_hold_after_links_are_followed(tmp_path: Path) -> None:
    show, outside = tmp_path / "show", tmp_path / "show-secret"
    show.mkdir()
    outside.mkdir()
    (show / "link").symlink_to(outside)
    (tmp_path / "door").symlink_to(show)
    inside = replace(
        REQUEST, plate=f"{show}/p.####.exr", matte=f"{tmp_path}/door/m.exr", out=str(show / "new" / "take")
    )
    check(inside, roots=[str(show)], is_remote=True)
    check(inside, roots=[str(tmp_path / "door")], is_remote=True)
    with pytest.raises(BadInput, match="roots"):
        check(replace(inside, motion="/etc/passwd"), roots=[str(show)], is_remote=False)
    for path in (f"{show}/link/p.####.exr", f"{show}/../show-secret/p.exr", f"{outside}/p.exr", "/etc/passwd"):
        for field in ("plate", "matte", "out"):
            with pytest.raises(BadInput, match="roots"):
                check(replace(inside, **{field: path}), roots=[str(show)], is_remote=False)


def test_without_roots_only_local_clients_may_name_files() -> None:
    check(REQUEST, roots=(), is_remote=False)
    with pytest.raises(BadInput, match="no roots"):
        check(REQUEST, roots=(), is_remote=True)


def test_engines_that_cannot_are_refused_with_those_that_can() -> None:
    with pytest.raises(NoSuchEngine, match="cannot restyle") as caught:
        CATALOGUE.check_request(replace(REQUEST, operation=Operation.RESTYLE))
    assert "'standin'" in caught.value.remedy
    with pytest.raises(NoSuchEngine, match="no engine 'x'") as caught:
        CATALOGUE.check_request(replace(REQUEST, engine="x"))
    assert "'temporal' or 'standin'" in caught.value.remedy
    with pytest.raises(NoSuchEngine, match="cannot generate"):
        CATALOGUE.check_request(replace(REQUEST, operation=Operation.GENERATE))


def test_unknown_engine_options_are_refused() -> None:
    with pytest.raises(UsageError, match="no option 'color'") as caught:
        CATALOGUE.check_request(replace(REQUEST, engine="standin", engine_options={"color": "red"}))
    assert "mode" in caught.value.remedy


def test_every_card_leads_to_its_engine() -> None:
    assert len({card.name for card in CARDS}) == len(CARDS)
    for card in CARDS:
        assert CATALOGUE.card_for(card.name) is card
        assert factory(card)(card).card is card


@given(st.text(max_size=60), st.text(max_size=60))
def test_intake_never_fails_untyped(shot: str, path: str) -> None:
    request = replace(REQUEST, shot=shot, plate=path)
    try:
        check(request, roots=("/",), is_remote=False)
    except SecondTakeError:
        return
    assert Path(path).is_absolute()
