"""Run inside some CPython: a stand-in for Resolve, and the installed menu scripts run in it as Resolve runs them."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from standin.world import World


def main(stub, footage, menu):
    world = World(Path(stub), version=(19, 1, 3), is_studio=False)
    media = world.add_media(
        "sh010.[1001-1016].exr", str(Path(footage) / "sh010.[1001-1016].exr"), frames=16, Start="1001"
    )
    item = world.add_item(media, at=48, count=4, left=4)
    world.timeline.playhead = item.start + 1
    world.project.AddRenderJob()
    before = world.snapshot(with_marks=False)

    def run(name):
        scope = {"resolve": world.resolve, "__name__": "__main__"}
        exec(compile((Path(menu) / name).read_text(encoding="utf-8"), "<script>", "exec"), scope)  # noqa: S102

    run("Fix this shot.py")
    (ours,) = world.items_named("FIX")
    placed = [ours.start - item.start, ours.count, ours.media.properties["File Path"]]
    run("Accept fix.py")
    after = world.snapshot(with_marks=False)
    same = [part for part in before if part not in ("bins", "properties", "timelines") and before[part] != after[part]]
    said = {
        "python": sys.version_info[:2], "placed": placed, "takes": [each.name for each in item.takes],
        "selected": item.selected_take, "tracks": [track.name for track in world.timeline.tracks], "changed": same,
        "keywords": len(world.guard.log),
    }  # fmt: skip
    print(json.dumps(said))


main(*sys.argv[1:])
