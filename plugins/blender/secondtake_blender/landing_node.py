"""A take in the compositor: an Image node that is ours, beside whatever the artist has."""

from __future__ import annotations

import bpy

from . import compat, ours
from .colour_set import require_colourspace, set_colourspace
from .compat import Rna
from .plate import PlateChoice
from .refusal import Refusal
from .take import Take

__all__ = ["accept_node", "land_node", "node_frame_arrived", "reject_node"]

_GAP_PX = 320


def land_node(take: Take, choice: PlateChoice, *, scene: bpy.types.Scene, plate_uid: str) -> str:
    """Show a take in the scene's compositor, in the place of the take of this plate shown before; its node's UID.

    The node is not linked the first time; later the artist's links stay. Raises Refusal.
    """
    require_colourspace(choice.blender_colourspace)
    tree = compat.compositor(scene, make=True)
    node = _shown(tree, plate_uid)
    if node is None:
        node = tree.nodes.new("CompositorNodeImage")
        node.name = node.label = f"{choice.name} take"
        node.location = _beside(tree)
        ours.mark(node)
    image = _load(take, choice, node.image)
    node.image = image
    node[ours.PLATE], node[ours.TAKE] = plate_uid, take.take
    if not choice.stands_alone:
        _set_frames(node, choice)
    return str(node[ours.UID])


def node_frame_arrived(uid: str) -> None:
    """Have the node's image read its files again."""
    for _, node in _nodes(uid):
        node.image.reload()


def accept_node(uid: str) -> None:
    """Give the node to the artist: the next take gets one of its own. Raises Refusal if it is gone."""
    for _, node in _require(uid):
        node[ours.ACCEPTED] = True


def reject_node(uid: str) -> None:
    """Remove the node, and its image if nobody else uses it. Raises Refusal if it is gone or accepted."""
    for tree, node in _require(uid):
        if node.get(ours.ACCEPTED):
            raise Refusal("This take was accepted, so its node is yours", remedy="Delete the node if it shall go")
        image = node.image
        tree.nodes.remove(node)
        if image is not None and image.get(ours.UID) and image.users == 0:
            bpy.data.images.remove(image)


def _load(take: Take, choice: PlateChoice, before: bpy.types.Image | None) -> bpy.types.Image:
    """The take as an image: the one shown before, with other files, or a new one."""
    first = take.path_at(choice, min(pair.number for pair in choice.pairs))
    if before is not None and before.get(ours.UID):
        image = before
        image.filepath = first
        image.reload()
    else:
        image = bpy.data.images.new(f"{choice.name} take", 8, 8, float_buffer=True)
        image.filepath = first
        ours.mark(image)
    image.source = "FILE" if choice.stands_alone else "SEQUENCE"
    set_colourspace(image.colorspace_settings, choice.blender_colourspace)
    image.alpha_mode = "PREMUL"
    return image


def _set_frames(node: Rna, choice: PlateChoice) -> None:
    """An Image node counts files by their own numbers, forward."""
    numbers = [pair.number for pair in choice.pairs]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Refusal(
            "The plate runs backwards or repeats frames, which an Image node cannot", remedy="Show the take as a strip"
        )
    first = choice.pairs[0]
    node.frame_start, node.frame_duration = first.timeline, len(numbers)
    node.frame_offset = first.number - 1
    node.use_auto_refresh = True


def _shown(tree: Rna, plate_uid: str) -> Rna:
    found = ours.find_marked(tree.nodes, ours.PLATE, plate_uid)
    return next((node for node in found if not node.get(ours.ACCEPTED)), None)


def _nodes(uid: str) -> list[tuple[Rna, Rna]]:
    trees = {tree.as_pointer(): tree for scene in bpy.data.scenes if (tree := compat.compositor(scene)) is not None}
    return [(tree, node) for tree in trees.values() for node in ours.find_marked(tree.nodes, ours.UID, uid)]


def _require(uid: str) -> list[tuple[Rna, Rna]]:
    found = _nodes(uid)
    if not found:
        raise Refusal("The take's node is gone", remedy="Show the take again from the list")
    return found


def _beside(tree: Rna) -> tuple[float, float]:
    """Left of everything, at the top."""
    if not tree.nodes:
        return 0.0, 0.0
    others = [node for node in tree.nodes if ours.UID not in node]
    return (
        min((node.location[0] for node in others), default=0.0) - _GAP_PX,
        max((node.location[1] for node in others), default=0.0),
    )
