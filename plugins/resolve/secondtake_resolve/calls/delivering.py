"""The Deliver page: render settings, the queue, one job of ours. Never a job of the artist's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..ranges import inclusive
from ..refusal import Refusal
from ..render_state import RenderJob, RenderState
from .base import Base, needed, number, require, text
from .steady import sure

if TYPE_CHECKING:
    import fusionscript as api

__all__ = ["Delivering"]

_EXR, _HALF = "exr", "RGBHalf"


class Delivering(Base):
    """Rendering."""

    def is_rendering(self) -> bool:
        """Whether Deliver is at work, for whomever."""
        return bool(self._project().IsRenderingInProgress())

    def render_presets(self) -> tuple[str, ...]:
        """Names of render presets."""
        return tuple(
            text(each.get("RenderPresetName", "")) if isinstance(each, dict) else text(each)
            for each in self._project().GetRenderPresetList() or []
        )

    def save_preset(self, name: str) -> None:
        """Keep the render settings: there is no other way to read them."""
        self._project().SaveAsNewRenderPreset(name)
        if name not in self.render_presets():
            self._project().DeleteRenderPreset(name)  # it may be there all the same
            require(False, "keep your render settings")

    def load_preset(self, name: str) -> None:
        """Put kept render settings back. Whether they took cannot be read."""
        require(self._project().LoadRenderPreset(name) is True, "put back your render settings")

    def delete_preset(self, name: str) -> None:
        """Remove one of ours."""
        if name in self.render_presets():
            self._project().DeleteRenderPreset(name)
            require(name not in self.render_presets(), f"delete the render preset {name}")

    def render_mode(self) -> int:
        """0: individual clips, 1: one clip."""
        return needed(self._project().GetCurrentRenderMode(), "the render mode")

    def set_render_mode(self, mode: int) -> None:
        """See `render_mode`."""
        project = self._project()
        if project.GetCurrentRenderMode() != mode:
            project.SetCurrentRenderMode(cast("api.RenderMode", mode))
            require(project.GetCurrentRenderMode() == mode, "set the render mode")

    def render_format(self) -> tuple[str, str]:
        """Format and codec."""
        said = self._project().GetCurrentRenderFormatAndCodec()
        said = needed(said, "the render format")
        return said["format"], said["codec"]

    def set_render_format(self, wanted: tuple[str, str]) -> None:
        """See `render_format`."""
        if self.render_format() != wanted:
            self._project().SetCurrentRenderFormatAndCodec(*wanted)
            require(self.render_format() == wanted, f"set the render format {' '.join(wanted)}")

    def exr_half(self) -> tuple[str, str]:
        """Format and codec of EXR in half, asked of this build. Raises Refusal if it has none."""
        formats = (self._project().GetRenderFormats() or {}).values()
        if _EXR not in formats or _HALF not in (self._project().GetRenderCodecs(_EXR) or {}).values():
            raise Refusal(
                "This Resolve does not render EXR in half", remedy="Send the source instead, or update Resolve"
            )
        return _EXR, _HALF

    def job_ids(self) -> frozenset[str]:
        """All of the queue."""
        return frozenset(text(job.get("JobId", "")) for job in self._project().GetRenderJobList() or [])

    def jobs_into(self, folder: str) -> tuple[str, ...]:
        """Jobs of the queue that write into a folder or below it: leftovers of ours."""
        targets = (
            (text(job.get("JobId", "")), Path(text(job.get("TargetDir", ""))))
            for job in self._project().GetRenderJobList() or []
        )
        return tuple(job_id for job_id, target in targets if Path(folder) in (target, *target.parents))

    def add_job(self, job: RenderJob) -> str:
        """Queue a range as files; its id. Resolve wants the last frame, and frames with the timeline's start."""
        first, last = inclusive(job.record)
        known = sure(self.job_ids)
        is_set = self._project().SetRenderSettings(
            {
                "SelectAllFrames": False, "MarkIn": first, "MarkOut": last, "TargetDir": job.folder,
                "CustomName": job.name, "ExportVideo": True, "ExportAudio": False, "ExportAlpha": False,
                "FormatWidth": job.size_px[0], "FormatHeight": job.size_px[1],
            }
        )  # fmt: skip
        require(is_set is not False, "take the render settings")
        said = text(self._project().AddRenderJob())
        added = sure(self.job_ids) - known
        if not added and said:  # it may be there all the same
            self._project().DeleteRenderJob(said)
        require(len(added) == 1, "add a render job")
        job_id = next(iter(added))
        if not self._is_as_asked(job_id, job):  # it would render the artist's own settings, over the artist's files
            self.delete_job(job_id)
            require(False, "take the render settings")
        return job_id

    def _is_as_asked(self, job_id: str, job: RenderJob) -> bool:
        """Whether a queued job has our folder and range: settings themselves cannot be read."""
        for said in self._project().GetRenderJobList() or []:
            if text(said.get("JobId")) == job_id:
                count = said.get("MarkOut", job.record.count - 1) - said.get("MarkIn", 0) + 1
                return Path(text(said.get("TargetDir"))) == Path(job.folder) and count == job.record.count
        return False

    def start_job(self, job_id: str) -> None:
        """Start one job, and no other. What Resolve answers is not enough: it may answer nothing, and go on."""
        self._project().StartRendering([job_id], False)
        require(self.job_state(job_id).has_begun, "start to render")

    def job_state(self, job_id: str) -> RenderState:
        """How a job is."""
        said = self._project().GetRenderJobStatus(job_id) or {}
        return RenderState(
            status=text(said.get("JobStatus", "")),
            percent=number(said.get("CompletionPercentage", 0)),
            error=text(said.get("Error", "")),
            is_rendering=self.is_rendering(),
        )

    def stop_rendering(self) -> None:
        """Stop, so that the job can be removed."""
        if self.is_rendering():
            self._project().StopRendering()
            require(not self.is_rendering(), "stop rendering")

    def delete_job(self, job_id: str) -> None:
        """Remove one of ours from the queue."""
        if job_id in self.job_ids():
            self._project().DeleteRenderJob(job_id)
            require(job_id not in self.job_ids(), "remove the render job")
