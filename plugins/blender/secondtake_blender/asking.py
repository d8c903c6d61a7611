"""From what a scene says to a job that can be sent. Reads Blender; alters nothing but what `mark` says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import mattes, ours, plates, records
from .compat import Rna
from .engine import found_engine
from .host import new_job
from .live import LiveJob
from .longer import VERB, longer, require_whole, why_not_longer
from .marks import mark_plate
from .matte import MatteChoice
from .media_size import image_size
from .orders import Beauty, Order
from .painting import Painting
from .paths import absolute_media
from .place import Place, Target
from .plate import PlateChoice
from .plates import Plate
from .preferences import preferences
from .previz import choose_previz
from .previz_way import Follow, PrevizWish, Way, followed, use_of
from .previz_way import why_not as previz_why_not
from .refusal import Refusal
from .settings import settings_of
from .state import live
from .studio import studio_ocio

__all__ = ["options_of", "prepare_fix", "prepare_previz", "previz_wish", "takes_root", "why_no_fix", "why_no_previz"]

_DEFAULT_FOLDER = "//takes"


def prepare_fix(context: bpy.types.Context) -> LiveJob:
    """The job that Fix begins. Raises Refusal, and then nothing was altered."""
    scene = plates.scene_of(context)
    settings = settings_of(scene)
    plate, uid = _plate(context, settings)
    shot = plates.shot_name(plate.choice, settings.shot)
    params = {**_params(scene, settings, plate.choice), **_base(settings, plate.choice, shot=shot)}
    is_longer = settings.operation == VERB
    if is_longer:
        plate = _longer(plate, settings)
        params["extend"] = [settings.frames_before, settings.frames_after]
    orders: list[tuple[str, Order | Painting]] = []
    if plate.choice.order is not None:
        orders.append(("plate", plate.choice.order))
    if settings.base != "REVISE" and not is_longer:
        _add_matte(context, plate, params, orders)
    return _job(scene, plate, uid, params=params, orders=orders, shot=shot)


def prepare_previz(context: bpy.types.Context) -> LiveJob:
    """The job that Previz begins: the scene is rendered with all its passes, and what is wanted of them is sent.

    Raises Refusal, and then nothing was altered.
    """
    scene = plates.scene_of(context)
    settings = settings_of(scene)
    wish = previz_wish(settings)
    engine = found_engine(wish.engine, live.engines)
    is_new = wish.way is Way.GENERATE
    previz = choose_previz(scene, beauty=Beauty.NONE if is_new else Beauty(settings.beauty))
    is_strip = context.area is not None and context.area.type == "SEQUENCE_EDITOR"
    plate = Plate(previz.plate, scene, Target.STRIP if is_strip else Target.NODE)
    shot = plates.shot_name(plate.choice, settings.shot)
    params = {**_params(scene, settings, plate.choice), **_base_of_plate(plate.choice, shot=shot)}
    orders: list[tuple[str, Order | Painting]] = [("previz", previz.order)]
    if wish.way is not Way.CARRY:
        params["operation"] = wish.way.value
    elif settings.operation == VERB:  # that is Fix's: what is carried is as long as the scene
        del params["operation"]
    if kind := followed(wish, engine):
        params["control_kind"] = kind
    if is_new:
        params.update(size=list(plates.size_of(plate.choice)), fps=scene.render.fps / scene.render.fps_base)
    elif not (wish.way is Way.RESTYLE and settings.matte == "ALL" and engine is not None and engine.makes_whole_frames):
        _add_matte(context, plate, params, orders)
    job = _job(scene, plate, "", params=params, orders=orders, shot=shot)
    job.previz = use_of(wish, engine)
    return job


def why_no_fix(scene: bpy.types.Scene, settings: Rna) -> str:
    """Why Fix would make nothing of a plate; "" if it would. Opens nothing."""
    if settings.operation != VERB:
        return mattes.why_no_matte(scene, settings)
    return why_not_longer(settings.frames_before, settings.frames_after, engine=settings.engine, engines=live.engines)


def why_no_previz(scene: bpy.types.Scene, settings: Rna) -> str:
    """Why the button is grey; "" if it is not. Opens nothing."""
    if scene.camera is None and not any(marker.camera for marker in scene.timeline_markers):
        return "The scene has no camera"
    wish = previz_wish(settings)
    why = previz_why_not(wish, live.engines)
    return why or ("" if wish.way is Way.GENERATE else mattes.why_no_matte(scene, settings))


def previz_wish(settings: Rna) -> PrevizWish:
    """What the settings say of a previz."""
    painted = sum(reference.is_painted for reference in settings.references)
    return PrevizWish(
        way=Way(settings.previz),
        engine=settings.engine,
        follow=Follow(settings.follow),
        has_words=bool(settings.instruction.strip()),
        painted=painted,
        looks=len(settings.references) - painted,
    )


def takes_root(scene: bpy.types.Scene, settings: Rna) -> Path:
    """Where takes of a scene go, absolute. Raises Refusal for a folder relative to a .blend that is not saved."""
    held = preferences()
    wanted = settings.folder or (held.takes_folder if held is not None else "") or _DEFAULT_FOLDER
    if wanted.startswith("//") and not bpy.data.filepath:
        raise Refusal(
            "Takes go beside the .blend, and it is not saved yet", remedy="Save it, or choose another folder for takes"
        )
    return Path(absolute_media(wanted, owner=scene))


def options_of(text: str) -> dict[str, str]:
    """`name=value name=value` as a mapping. Raises Refusal for anything else."""
    options = {}
    for word in text.split():
        name, sign, value = word.partition("=")
        if not (name and sign):
            raise Refusal(f"'{word}' is no option of an engine", remedy="Write name=value")
        options[name] = value
    return options


def _job(
    scene: bpy.types.Scene,
    plate: Plate,
    uid: str,
    *,
    params: dict[str, Any],
    orders: list[tuple[str, Order | Painting]],
    shot: str,
) -> LiveJob:
    """The job, after all that could be refused; the plate gets its id."""
    job = new_job()
    folder = takes_root(scene, settings_of(scene)) / shot / f"take_{job[:8]}"
    uid, is_new = (uid, False) if uid else mark_plate(plate.thing)
    place = Place(target=plate.target, plate_uid=uid, choice=plate.choice)
    return LiveJob(job=job, place=place, folder=str(folder), params=params, orders=orders, marked=is_new)


def _add_matte(
    context: bpy.types.Context, plate: Plate, params: dict[str, Any], orders: list[tuple[str, Order | Painting]]
) -> None:
    scene = plates.scene_of(context)
    settings = settings_of(scene)
    matte = mattes.choose_matte(context, scene, settings, plate)
    params.update(_matte(scene, settings, plate.choice, matte))
    if isinstance(matte, Painting):
        orders.append(("matte", matte))
    elif matte.order is not None:
        orders.append(("matte", matte.order))


def _plate(context: bpy.types.Context, settings: Rna) -> tuple[Plate, str]:
    """The plate, and its UID if it is that of the take to go on from."""
    if settings.base == "PLATE":
        return plates.choose(context), ""
    record = records.record_of_take(settings.base_take)
    if record is None:
        raise Refusal("No take is chosen to go on from", remedy="Choose one in the list, and say On Top or Revise")
    found = ours.find_strip(record.plate_uid)
    place, strip = records.place_in(record), found.strip if found is not None else None
    return Plate(_sized(record, place.choice), strip, place.target), place.plate_uid


def _sized(record: Rna, choice: PlateChoice) -> PlateChoice:
    """The plate of a take with the take's size: not all frames of a longer one are there."""
    path = records.take_in(record).path_at(choice, choice.pairs[0].number)
    return replace(choice, size=image_size(Path(path)) or choice.size)


def _longer(plate: Plate, settings: Rna) -> Plate:
    """The plate as long as its take will be. Raises Refusal."""
    if settings.base == "REVISE":
        raise Refusal(
            "A revision is as long as its take", remedy="Set Operation to As Needed, or go on top of the take"
        )
    before, after = settings.frames_before, settings.frames_after
    if settings.base == "PLATE":
        require_whole(plate.choice, before=before, after=after)
    return Plate(longer(plate.choice, before=before, after=after), plate.thing, plate.target)


def _params(scene: bpy.types.Scene, settings: Rna, choice: PlateChoice) -> dict[str, Any]:
    params: dict[str, Any] = {
        "instruction": settings.instruction,
        "quality": settings.quality,
        "seed": settings.seed,
        "engine": settings.engine,
        "operation": "" if settings.operation == "auto" else settings.operation,
    }
    params = {name: value for name, value in params.items() if value != ""}
    params["ocio"] = studio_ocio()
    if settings.engine_options:
        params["engine_options"] = options_of(settings.engine_options)
    references = [_reference(scene, reference, choice) for reference in settings.references]
    if references:
        params["references"] = references
    return params


def _reference(scene: bpy.types.Scene, reference: Rna, choice: PlateChoice) -> dict[str, Any]:
    path = absolute_media(reference.path, owner=scene)
    if not reference.is_painted:
        return {"path": path}
    if not choice.pairs[0].timeline <= reference.frame <= choice.pairs[-1].timeline:
        raise Refusal(
            f"The painted frame {reference.frame} is outside of the plate", remedy="Correct the frame of the reference"
        )
    return {"path": path, "frame": choice.number_at(reference.frame)}


def _base(settings: Rna, choice: PlateChoice, *, shot: str) -> dict[str, Any]:
    if settings.base == "REVISE":
        return {"revise": settings.base_take}
    if settings.base == "ON":
        return {"on": settings.base_take, "frames": choice.frames}
    return _base_of_plate(choice, shot=shot)


def _base_of_plate(choice: PlateChoice, *, shot: str) -> dict[str, Any]:
    base = {"frames": choice.frames, "colourspace": choice.colourspace, "shot": shot}
    return {**base, "plate": choice.path} if choice.path else base


def _matte(scene: bpy.types.Scene, settings: Rna, choice: PlateChoice, matte: MatteChoice | Painting) -> dict[str, Any]:
    given: dict[str, Any] = {"grow_px": settings.grow_px, "feather_px": settings.feather_px}
    if settings.matte in ("BOX", "ALL"):
        shapes = (
            mattes.box_shapes(scene, tuple(settings.box), choice)
            if settings.matte == "BOX"
            else mattes.all_shapes(choice)
        )
        return {**given, "shapes": shapes}
    if isinstance(matte, Painting):
        return given
    if matte.channel:
        given["matte_channel"] = matte.channel
    if matte.path:
        given["matte"] = os.fspath(matte.path)
    return given
