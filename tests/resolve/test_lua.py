"""The Lua importer in a real Lua, without anything that Resolve's sandbox lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

lupa = pytest.importorskip("lupa")
SCRIPT = Path(__file__).parents[2] / "plugins" / "resolve" / "Lua" / "Bring back takes (manual).lua"
RESOLVE = """
io, os, require, debug, package = nil, nil, nil, nil, nil
log, take_table, answers = {}, {}, { end_of_placed = 86450, clips = 1, keeps = "" }
local function object(methods) return setmetatable({}, { __index = methods }) end
local function folder(name)
  local subs = {}
  return object({ GetName = function() return name end, GetSubFolderList = function() return subs end, subs = subs })
end
local root = folder("Master")
local current = root
local clip_values = {}
local clip = object({
  SetClipProperty = function(_, name, value)
    if name ~= answers.keeps then clip_values[name] = value end
    return true
  end,
  GetClipProperty = function(_, name) return clip_values[name] end,
})
local item = object({ GetStart = function() return 86448 end, GetEnd = function() return 86450 end })
local pool = object({
  GetCurrentFolder = function() return current end,
  SetCurrentFolder = function(_, folder_) current = folder_ return true end,
  GetRootFolder = function() return root end,
  AddSubFolder = function(_, parent, name) local made = folder(name) table.insert(parent.subs, made) return made end,
  ImportMedia = function(_, infos)
    log.import, log.bin = infos[1], current:GetName()
    local found = {}
    for at = 1, answers.clips do found[at] = clip end
    return found
  end,
  AppendToTimeline = function(_, infos)
    log.placed = infos[1]
    if answers.end_of_placed == 0 then return {} end
    return { object({
      GetStart = function() return infos[1].recordFrame end, GetEnd = function() return answers.end_of_placed end,
      SetClipColor = function(_, colour) log.colour = colour end,
    }) }
  end,
})
local tracks = 1
local timeline = object({
  GetCurrentVideoItem = function() return item end, GetSetting = function() return 24.0 end,
  AddTrack = function() tracks = tracks + 1 return true end, GetTrackCount = function() return tracks end,
  GetItemListInTrack = function() return answers.end_of_placed ~= 0 and { item } or nil end,
  DeleteTrack = function(_, _, index) tracks = tracks - 1 log.deleted = index return true end,
  SetTrackName = function(_, _, index, name) log.track = index .. name return true end,
})
local project = object({
  GetCurrentTimeline = function() return timeline end, GetMediaPool = function() return pool end,
})
local manager = object({ GetCurrentProject = function() return project end })
resolve = object({ GetProjectManager = function() return manager end })
fusion = object({ RequestDir = function() return "/shots/a" end })
dofile = function(path) assert(path == "/shots/a/take.lua") return take_table end
open_bin = function() return current:GetName() end
"""


def run(**answers: int | str) -> Any:
    return run_in(lupa.LuaRuntime(), **answers)


def run_in(lua: Any, **answers: int | str) -> Any:
    lua.execute(RESOLVE)
    lua.execute('take_table = { pattern = "/shots/a/take/s.t.%04d.exr", first = 1001, last = 1002, shot = "s" }')
    for name, value in answers.items():
        lua.globals().answers[name] = value
    lua.execute(SCRIPT.read_text(encoding="utf-8"))
    return lua.globals()


def test_take_is_imported_and_placed_over_the_clip() -> None:
    found = run()
    log = found.log
    assert (log["import"].FilePath, log["import"].StartIndex, log["import"].EndIndex) == (
        "/shots/a/take/s.t.%04d.exr", 1001, 1002,
    )  # fmt: skip
    assert (log.bin, log.placed.recordFrame, log.placed.trackIndex, log.placed.mediaType) == ("s", 86448, 2, 1)
    assert (log.track, log.colour, found.open_bin()) == ("2FIX", "Violet", "Master")


@pytest.mark.parametrize(
    ("answers", "words", "deleted"),
    [
        ({"clips": 2}, "Show Individual Frames", None),
        ({"keeps": "FPS"}, "frame rate", None),
        ({"keeps": "Alpha mode"}, "alpha mode", None),
        ({"end_of_placed": 86449}, "did not place", None),
        ({"end_of_placed": 0}, "did not place", 2),
    ],
)
def test_what_went_wrong_is_said(answers: dict[str, int | str], words: str, deleted: int | None) -> None:
    lua = lupa.LuaRuntime()
    with pytest.raises(lupa.LuaError, match=words):
        run_in(lua, **answers)
    assert lua.globals().log.deleted == deleted  # an empty track of ours does not stay
    assert lua.globals().open_bin() == "Master"
