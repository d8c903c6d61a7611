"""The verbs of the menu: fix, bring back, accept, open. They ask, have it made, watch, land, and tell."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from .accepting import accept_take, reject, under_playhead, withdraw_take
from .calls import Host
from .clip import Route, Shot
from .face import Face
from .fixing import Making, name_of, send_fix
from .flow_fix import Wish, require_saved, source_survey
from .form import make_form, read_form
from .kept_state import kept_state
from .landing import land, result_of
from .lock import only_one
from .refusal import Cancelled, Refusal
from .talk import Talk
from .workplace import Sent, Workplace

__all__ = ["App", "read_shot"]

_START_S, _ASK_S = 90.0, 30.0
_AS_TAKE, _ABOVE, _REJECT = "As a take of the clip, under its grade", "Keep it on its track above", "Reject it"
_VERBS = ("Fix this shot", "Bring back results", "Accept or reject a fix", "Close")


@dataclass(frozen=True)
class App:
    """One run of a menu script. new_job makes ids."""

    host: Host
    face: Face
    talk: Talk
    workplace: Workplace
    new_job: Any

    def fix(self) -> None:
        """Fix the clip under the playhead. Raises Refusal."""
        with only_one(self.workplace.lock_file(self.host.project_id())):
            shot = read_shot(self.host)
            require_saved(shot)
            engines = self._engines()
            odd = self._odd(shot)
            tracks, last = self.host.tracks_over(shot.clip), self.workplace.last_form()
            form = make_form(shot, odd=odd, tracks=tracks, engines=engines, last=last)
            values = self.face.ask(form)
            if values is None:
                return
            self.workplace.keep_form(values)
            try:
                sent, notes = self._send(shot, read_form(values, shot))
            except Cancelled:
                self.face.tell(["Cancelled. Nothing was sent"])
                return
            lines = self._finish(self.talk.watch(sent.tag.job), sent)
        self.face.tell([*lines, *(note for note in notes if note not in odd)])

    def bring_back(self) -> None:
        """Bring back whatever is done. Raises Refusal."""
        waiting = self.workplace.waiting(self.host.project_id())
        if not waiting:
            raise Refusal("Nothing from this project waits to be brought back", remedy="Fix a shot first")
        lines: list[str] = []
        for at, sent in enumerate(waiting):
            try:
                if not self.face.progress(f"Looking at {sent.tag.shot}", at / len(waiting)):
                    raise Cancelled
                job = self.talk.look(sent.tag.job)
            except Cancelled:
                lines.append("Cancelled; the rest can be brought back later")
                break
            if job["state"] in ("queued", "running"):
                lines.append(f"{sent.tag.shot}: {job.get('words', job['state'])}")
                continue
            try:
                lines += self._finish(job, sent)
            except Refusal as refusal:
                lines.append(f"{sent.tag.shot}: {refusal}")
        self.face.tell(lines)

    def accept(self) -> None:
        """Accept or reject the fix under the playhead. Raises Refusal."""
        try:
            ours = under_playhead(self.host)
        except Refusal:
            if not self._withdraw():
                raise
            return
        choices = [*((_AS_TAKE,) if ours.tag.route is Route.SOURCE else ()), _ABOVE, _REJECT]
        chosen = self.face.choose(f"{ours.tag.shot}, take {ours.tag.take}", choices)
        if chosen is None:
            return
        said: list[str] = []
        if choices[chosen] == _REJECT:
            said += ["Rejected; its files stay", *reject(self.host, ours)]
        else:
            if choices[chosen] == _AS_TAKE:
                said += ["It is a take of the clip; the clip's other takes stay", *accept_take(self.host, ours)]
            else:
                said.append("It stays on its track")
            said += self._star(ours.tag.take)
        self.face.tell(said)

    def open(self) -> None:
        """How things are, what waits, and the other verbs. Raises Refusal."""
        while True:
            lines = [self.host.edition().words, self._daemon_words(), *self._takes_words()]
            chosen = self.face.choose("\n".join(filter(None, lines)), _VERBS)
            if chosen is None or chosen == len(_VERBS) - 1:
                return
            try:
                (self.fix, self.bring_back, self.accept)[chosen]()
            except Refusal as refusal:
                self.face.tell([str(refusal)])

    def _send(self, shot: Shot, wish: Wish) -> tuple[Sent, tuple[str, ...]]:
        """Send it; if only another route goes the artist is asked."""
        making = Making(host=self.host, talk=self.talk, workplace=self.workplace, progress=self.face.progress)
        try:
            return send_fix(making, shot, wish, job=self.new_job())
        except Refusal as refusal:
            if refusal.other_way is None:
                raise
            other = Route(refusal.other_way)
            words = "the source" if other is Route.SOURCE else "what the timeline shows"
            if self.face.choose(str(refusal), [f"Send {words}", "Cancel"]) != 0:
                raise Cancelled from refusal
            return send_fix(making, shot, replace(wish, route=other), job=self.new_job())

    def _finish(self, job: Mapping[str, Any], sent: Sent) -> list[str]:
        """What became of a job that ended. Raises Refusal."""
        if job["state"] == "done":
            landed = land(self.host, self.workplace, sent, result_of(job))
            where = "is on the timeline, on track FIX" if landed.is_placed else "is in the media pool"
            return [f"{sent.tag.shot}: take {landed.take} {where}", *landed.words]
        self.workplace.forget(sent)
        if job["state"] == "cancelled":
            shutil.rmtree(sent.folder, ignore_errors=True)
            return [f"{sent.tag.shot}: cancelled"]
        error = job.get("error") or {}
        raise Refusal(
            str(error.get("message") or "The daemon does not know this job any more"),
            remedy=str(error.get("remedy") or "Fix the shot again"),
            path=str(error.get("path", "")),
        )

    def _engines(self) -> list[str]:
        said = self.talk.ask("start", timeout_s=_START_S)
        return [str(card["name"]) for card in said.get("engines", ()) if card.get("available")]

    def _odd(self, shot: Shot) -> tuple[str, ...]:
        """What is odd about the source's files, or why the daemon cannot read them, before anything is filled in."""
        survey = source_survey(shot)
        if not survey:
            return ()
        try:
            return tuple(self.talk.ask("survey", timeout_s=_ASK_S, **survey).get("odd", ()))
        except Refusal as refusal:
            return (str(refusal),)

    def _withdraw(self) -> bool:
        """Offer to take our take of the clip under the playhead away again; False if there is none."""
        clip = read_shot(self.host).clip
        if not {pool_id for pool_id, _ in self.host.our_pool_clips()} & set(self.host.takes(clip.id)):
            return False
        if self.face.choose(f"{clip.name} has a take of Second Take", ["Withdraw it", "Leave it"]) == 0:
            self.face.tell(["The clip shows its first take again", *withdraw_take(self.host, clip.id)])
        return True

    def _star(self, take: str) -> list[str]:
        """The daemon remembers which take was accepted; that it cannot is no reason to stop."""
        try:
            self.talk.ask("accept", timeout_s=_ASK_S, take=take)
        except Refusal as refusal:
            return [f"The take got no star: {refusal}"]
        return []

    def _daemon_words(self) -> str:
        try:
            said = self.talk.ask("status", timeout_s=_ASK_S)
        except Refusal as refusal:
            return str(refusal)
        if said["daemon"] != "running":
            return f"The daemon does not run; it starts with the first fix. {said['why']}".strip()
        return f"Second Take {said['version']}: {said['running']} running, {said['queued']} waiting"

    def _takes_words(self) -> list[str]:
        """The takes of the shot under the playhead, as far as they are known."""
        with suppress(Refusal):
            name = name_of(self.host, self.host.shot().clip)
            takes = self.talk.ask("takes", timeout_s=_ASK_S, shot=name)["takes"]
            return [_take_words(take) for take in takes]
        return []


def _take_words(take: Mapping[str, Any]) -> str:
    star = "★ " if take["starred"] else ""
    return f"{star}{take['name'] or take['take']}: {take['operation']} {take['instruction']}".rstrip()


def read_shot(host: Host) -> Shot:
    """The shot, with the masks of its compositions: away from the Fusion page they may be out of reach."""
    shot = host.shot()
    if not shot.clip.has_fusion or shot.clip.masks:
        return shot
    with kept_state(host):
        host.open_page("fusion")
        return replace(shot, clip=host.clip(shot.clip.id))
