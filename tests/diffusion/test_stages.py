"""What a client of a real daemon hears of a rendering, and how soon one that loads is cancelled."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from studio import Studio, command

from secondtake.messages import JobState, JobView, Phase

CANCEL_S = 2.0


def test_its_stages_and_a_picture_are_told(studio: Studio) -> None:
    request = studio.request("stages", engine_options={"steps": "48"}, seed=11)
    views: list[JobView] = []
    pictures = []
    with studio.client() as client:
        client.submit(request)
        began = time.monotonic()
        for view in client.watch(request.job):
            views.append(view)
            if view.stage is not None and view.stage.preview and not pictures:
                pictures.append((Path(view.stage.preview), cv2.imread(view.stage.preview)))
        took_s = time.monotonic() - began
    assert views[-1].state is JobState.DONE
    stages = [view.stage for view in views if view.stage is not None]
    assert {"load", "step"} <= {stage.name for stage in stages} <= {"load", "encode", "step", "decode", "write"}
    steps = [stage for stage in stages if stage.name == "step"]
    assert {stage.total for stage in steps} == {48}
    assert {stage.frames for stage in steps} == {"1001-1007", "1008-1012"}
    left = [stage.left_s for stage in steps if stage.left_s is not None]
    assert left[0] > left[-1]
    assert len(views) <= 5 * took_s + 12
    ((path, picture),) = pictures
    assert picture is not None
    assert picture.shape[0] == 160
    assert picture.shape[1] > 4 * picture.shape[0]
    assert np.ptp(picture) > 0
    assert path.parent == studio.home / "cache" / "jobs" / request.job
    assert not path.exists(), "it goes with the job"
    assert views[-1].stage is None


def test_a_cancel_while_it_loads(studio: Studio) -> None:
    """In a worker that was just started: whatever it reads, it is gone within two seconds."""
    assert command("daemon", "stop").status == 0
    request = studio.request("loading", seed=12)
    with studio.client() as client:
        client.submit(request)
        studio.wait(client, request.job, lambda view: view.phase is Phase.LOAD)
        asked_s = time.monotonic()
        client.cancel(request.job)
        studio.wait(client, request.job, lambda view: view.state is JobState.CANCELLED)
        assert time.monotonic() - asked_s < CANCEL_S
    assert not Path(request.out).exists() or not any(Path(request.out).iterdir())
