-- Second Take without Python: import a finished take and place it at the playhead. For the free Resolve from 21.1 on.
-- Experimental: it was never run in Resolve. Its Lua has no io, os or require; dofile, and what Resolve gives, is all.
-- Park on the clip that was exported, and choose its folder: `python -m secondtake_resolve.manual FOLDER` left take.lua there.

local function stop(words) error("Second Take: " .. words, 0) end

local folder = fusion:RequestDir()
if not folder then return end
local take = dofile(folder .. "/take.lua")
if type(take) ~= "table" or type(take.pattern) ~= "string" then stop("There is no take.lua in this folder") end

local project = resolve:GetProjectManager():GetCurrentProject()
local timeline = project and project:GetCurrentTimeline()
if not timeline then stop("Open a timeline and park on the clip first") end
local item = timeline:GetCurrentVideoItem()
if not item then stop("Park on the clip that was fixed first") end
local count = take.last - take.first + 1
if item:GetEnd() - item:GetStart() ~= count then stop("The clip under the playhead is not as long as the take") end

local pool = project:GetMediaPool()
local before = pool:GetCurrentFolder()
local function sub(parent, name)
  for _, each in ipairs(parent:GetSubFolderList() or {}) do
    if each:GetName() == name then return each end
  end
  return pool:AddSubFolder(parent, name)
end
local bin = sub(sub(pool:GetRootFolder(), "Second Take"), take.shot or "shot")
if not bin then stop("Resolve did not make the bin") end
pool:SetCurrentFolder(bin)
local clips = pool:ImportMedia({ { FilePath = take.pattern, StartIndex = take.first, EndIndex = take.last } })
pool:SetCurrentFolder(before)
if not clips or #clips ~= 1 then stop("Turn off Show Individual Frames in the Media Storage, and try again") end
local fps = take.fps or tostring(timeline:GetSetting("timelineFrameRate"))
clips[1]:SetClipProperty("FPS", fps)
clips[1]:SetClipProperty("Alpha mode", "None")
if tonumber(clips[1]:GetClipProperty("FPS")) ~= tonumber(fps) then
  stop("Resolve did not set the frame rate; the take is in the bin Second Take")
end
if clips[1]:GetClipProperty("Alpha mode") ~= "None" then
  stop("Resolve did not set the alpha mode to None; the take is in the bin Second Take")
end

timeline:AddTrack("video")
local track = timeline:GetTrackCount("video")
timeline:SetTrackName("video", track, "FIX")
local placed = pool:AppendToTimeline({
  { mediaPoolItem = clips[1], trackIndex = track, recordFrame = item:GetStart(), mediaType = 1 },
}) or {}
if not placed[1] or placed[1]:GetStart() ~= item:GetStart() or placed[1]:GetEnd() ~= item:GetEnd() then
  if not (timeline:GetItemListInTrack("video", track) or {})[1] then timeline:DeleteTrack("video", track) end
  stop("Resolve did not place the take; drag it from the bin Second Take")
end
placed[1]:SetClipColor("Violet")
