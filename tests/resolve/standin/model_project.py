"""Resolve itself, its projects, and Deliver: jobs go on while they are asked about, and write real files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .exr_file import write_exr
from .model_fusion import Fusion
from .model_media import MediaPool
from .model_timeline import Timeline

if TYPE_CHECKING:
    from .world import World

_FRAMES_A_POLL = 3


@dataclass
class Job:
    """A job of the queue: its settings as they were when it was added."""

    id: str
    settings: dict[str, Any]
    kind: tuple[str, str]
    mode: int
    frames: list[int]
    status: str = "Ready"
    done: int = 0
    error: str = ""


class Project:
    """A project."""

    API = "Project"

    def __init__(self, world: World, name: str) -> None:
        self.world, self.id, self.name = world, world.new_id("project"), name
        self.pool = MediaPool(world)
        self.timelines: list[Timeline] = []
        self.current: Timeline | None = None
        self.settings: dict[str, str] = {"colorScienceMode": "davinciYRGB", "timelineFrameRate": "24"}
        self.render: dict[str, Any] = {"TargetDir": "/their/renders", "CustomName": "theirs", "SelectAllFrames": True}
        self.kind = ("mov", "ProRes422HQ")
        self.mode = 0
        self.presets: dict[str, tuple[dict[str, Any], tuple[str, str], int]] = {}
        self.jobs: list[Job] = []
        self.running: Job | None = None

    def GetUniqueId(self) -> str:
        return self.id

    def GetName(self) -> str:
        return self.name

    def GetMediaPool(self) -> MediaPool:
        return self.pool

    def GetSetting(self, name: str) -> str:
        return self.settings.get(name, "")

    def GetTimelineCount(self) -> int:
        return len(self.timelines)

    def GetTimelineByIndex(self, index: int) -> Timeline | None:
        return self.timelines[index - 1] if 1 <= index <= len(self.timelines) else None

    def GetCurrentTimeline(self) -> Timeline | None:
        return self.current

    def SetCurrentTimeline(self, timeline: Timeline) -> bool:
        self.current = timeline
        return True

    # Deliver

    def GetRenderFormats(self) -> dict[str, str]:
        return {"QuickTime": "mov", "EXR": "exr"}

    def GetRenderCodecs(self, kind: str) -> dict[str, str]:
        return {"RGB half": "RGBHalf", "RGB half (ZIP)": "RGBHalfZIP"} if kind == "exr" else {"ProRes": "ProRes422HQ"}

    def GetCurrentRenderFormatAndCodec(self) -> dict[str, str]:
        return {"format": self.kind[0], "codec": self.kind[1]}

    def SetCurrentRenderFormatAndCodec(self, kind: str, codec: str) -> bool:
        if codec not in self.GetRenderCodecs(kind).values():
            return False
        self.kind = (kind, codec)
        return True

    def GetCurrentRenderMode(self) -> int:
        return self.mode

    def SetCurrentRenderMode(self, mode: int) -> bool:
        self.mode = mode
        return True

    def GetRenderPresetList(self) -> list[Any]:
        return [{"RenderPresetName": name} for name in self.presets]

    def SaveAsNewRenderPreset(self, name: str) -> bool:
        if name in self.presets:
            return False
        self.presets[name] = (dict(self.render), self.kind, self.mode)
        return True

    def LoadRenderPreset(self, name: str) -> bool:
        if name not in self.presets:
            return False
        self.render = dict(self.presets[name][0])  # whether format and mode come too is not known
        return True

    def DeleteRenderPreset(self, name: str) -> bool:
        return self.presets.pop(name, None) is not None

    def SetRenderSettings(self, settings: dict[str, Any]) -> bool:
        if self.world.page != "deliver" or self.current is None:
            return False
        self.render.update(settings)
        if "MarkIn" in settings and not self.render["SelectAllFrames"]:  # a side effect
            origin = self.current.start
            self.current.SetMarkInOut(settings["MarkIn"] - origin, settings["MarkOut"] - origin, "all")
        return True

    def GetRenderJobList(self) -> list[Any]:
        return [
            {
                "JobId": job.id, "RenderJobName": f"Job {number}", "TargetDir": job.settings["TargetDir"],
                "MarkIn": job.frames[0], "MarkOut": job.frames[-1],
            }
            for number, job in enumerate(self.jobs, start=1)
        ]  # fmt: skip

    def AddRenderJob(self) -> str:
        if self.current is None:
            return ""
        settings = dict(self.render)
        ends = self.current.start, self.current.GetEndFrame() - 1
        first, last = ends if settings["SelectAllFrames"] else (settings["MarkIn"], settings["MarkOut"])
        job = Job(self.world.new_id("job"), settings, self.kind, self.mode, list(range(first, last + 1)))
        self.jobs.append(job)
        return job.id

    def DeleteRenderJob(self, job_id: str) -> bool:
        if self.running is not None and self.running.id == job_id:
            return False
        known = len(self.jobs)
        self.jobs = [job for job in self.jobs if job.id != job_id]
        return len(self.jobs) < known

    def StartRendering(self, jobs: Any = None, interactive: bool = False) -> bool:
        wanted = [job for job in self.jobs if jobs is None or job.id in jobs]
        if self.running is not None or not wanted:
            return False
        self.running = wanted[0]
        wanted[0].status = "Rendering"
        return True

    def StopRendering(self) -> None:
        if self.running is not None:
            self.running.status, self.running = "Cancelled", None

    def IsRenderingInProgress(self) -> bool:
        return self.running is not None or self.world.quirks.rendering_already

    def GetRenderJobStatus(self, job_id: str) -> dict[str, Any]:
        job = next((each for each in self.jobs if each.id == job_id), None)
        if job is None:
            return {}
        if job is self.running:
            self._go_on(job)
        status = {"JobStatus": job.status, "CompletionPercentage": 100 * job.done // len(job.frames)}
        return {**status, "Error": job.error} if job.error else status

    def _go_on(self, job: Job) -> None:
        quirk = self.world.quirks.render
        if quirk == "stalls":
            return
        if quirk in ("fails", "disk full") and job.done:
            job.status, job.error, self.running = "Failed", quirk.capitalize(), None
            return
        folder = Path(job.settings["TargetDir"]) / ("1" if self.world.quirks.render_subfolder else "")
        folder.mkdir(parents=True, exist_ok=True)
        frames = {"short": job.frames[:-1], "nothing": [], "gap": [*job.frames[:-1], job.frames[-1] + 1]}.get(
            quirk, job.frames
        )
        size = int(job.settings["FormatWidth"]), int(job.settings["FormatHeight"])
        for frame in frames[job.done : job.done + _FRAMES_A_POLL]:
            self._write(folder / f"{job.settings['CustomName']}{frame:08d}.{job.kind[0]}", frame, size)
        job.done = min(job.done + _FRAMES_A_POLL, len(job.frames))
        if job.done == len(job.frames):
            job.status, self.running = ("Rendering" if quirk == "stuck" else "Complete"), None

    def _write(self, path: Path, frame: int, size: tuple[int, int]) -> None:
        assert self.current is not None
        item = self.current.shown(frame)
        name = item.media.name if item and item.media else ""
        write_exr(path, size, lambda x, y: self.world.paint(name, frame, x, y))


class ProjectManager:
    """Projects."""

    API = "ProjectManager"

    def __init__(self, world: World) -> None:
        self.world = world

    def GetCurrentProject(self) -> Project | None:
        return self.world.project if self.world.has_project else None


@dataclass
class Resolve:
    """The application."""

    API = "Resolve"
    world: World
    fusion: Fusion = field(default_factory=Fusion)

    def Fusion(self) -> Fusion:
        return self.fusion

    def GetProjectManager(self) -> ProjectManager:
        return self.world.manager

    def GetProductName(self) -> str:
        return f"DaVinci Resolve{' Studio' if self.world.is_studio else ''}"

    def GetVersion(self) -> list[Any]:
        return [*self.world.version, 7, ""]

    def GetVersionString(self) -> str:
        return f"{'.'.join(map(str, self.world.version))}.7"

    def IsStudio(self) -> bool:
        return self.world.is_studio

    def GetCurrentPage(self) -> str:
        return self.world.page

    def OpenPage(self, page: str) -> bool:
        self.world.page = page
        if self.world.project.current is not None:
            self.world.project.current.stale = 0
        return True
