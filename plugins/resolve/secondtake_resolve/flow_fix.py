"""What is sent for a clip, and what is odd about it. Pure: plain values in, a plan or a refusal out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .clip import Clip, Media, Route, Shot, Speed
from .colours import colour_words, render_colourspace, render_properties, source_colourspace
from .ranges import AbsoluteFrame, Range, SourceFrame, handles_within, source_range
from .refusal import Refusal
from .sequence import kind_of, parse_sequence, safe_name

__all__ = [
    "FixPlan", "MatteKind", "MatteWish", "Reference", "Wish", "plan_fix", "require_saved", "shot_name",
    "shot_words", "source_survey",
]  # fmt: skip

_RATE_DIFFERENCE = 1e-3
_FIRST_OF_MOVIE = SourceFrame(1)
_SHOWN = "Send what the timeline shows instead"
_UNSAVED = "Untitled Project"


class MatteKind:
    """Where a matte comes from."""

    FILE = "file"
    MASKS = "masks"
    TRACK = "track"


@dataclass(frozen=True)
class MatteWish:
    """The matte that the artist chose."""

    kind: str = MatteKind.FILE
    path: str = ""
    """A file, a pattern `roto.####.exr`, or a folder."""
    masks: tuple[str, ...] = ()
    """Fusion masks by name."""
    track: int = 0
    """The video track whose luma is the matte."""


@dataclass(frozen=True)
class Reference:
    """An image; with a frame of the timeline it is that frame as it shall be."""

    path: str
    at: AbsoluteFrame | None = None


@dataclass(frozen=True)
class Wish:
    """What the artist wants."""

    operation: str = "remove"
    instruction: str = ""
    matte: MatteWish = MatteWish()
    references: tuple[Reference, ...] = ()
    route: Route | None = None
    """None takes what goes."""
    handles: int = 0
    colourspace: str = ""
    engine: str = ""
    quality: str = "final"
    is_solo: bool = True
    """A rendered plate shows this clip's track alone."""


@dataclass(frozen=True)
class FixPlan:
    """What will be sent. The plate of a rendered one is made first, with the timeline's own numbers."""

    route: Route
    name: str
    """Of the shot, for files and bins."""
    record: Range[AbsoluteFrame]
    plate: str
    """Files of the plate; "" if it is to be rendered."""
    frames: Range[SourceFrame]
    """The plate's numbers of what shows; a rendered plate's are the timeline's."""
    handles: tuple[int, int]
    colourspace: str
    size_px: tuple[int, int]
    matte: MatteWish
    read_as: Mapping[str, str] = field(default_factory=dict)
    """Properties of a pool item that make Resolve read the take as its plate is read."""
    references: tuple[tuple[str, SourceFrame | None], ...] = ()
    notes: tuple[str, ...] = ()

    def source_of(self, at: AbsoluteFrame) -> SourceFrame | None:
        """The plate's number of a frame of the timeline; None if it is not of this clip."""
        if at not in self.record:
            return None
        return SourceFrame(self.frames.start + at - self.record.start)


def require_saved(shot: Shot) -> None:
    """Raise Refusal in a project that was never saved: what is placed in it, and the project itself, may be lost."""
    if shot.project_name.startswith(_UNSAVED):
        raise Refusal("The project was never saved", remedy="Save it under a name (File, Save Project), and try again")


def plan_fix(shot: Shot, wish: Wish) -> FixPlan:
    """What to send. Raises Refusal; its `other_way` names a route that would go."""
    _require_wish(wish)
    if not shot.clip.record.count:
        raise Refusal("Resolve does not say where the clip lies", remedy="Try again")
    why_not = _why_not_source(shot)
    if wish.route is Route.SOURCE and why_not:
        raise Refusal(why_not, remedy=f"{_SHOWN} (with the grade)", other_way=Route.RENDER.value)
    route = wish.route or (Route.RENDER if why_not else Route.SOURCE)
    plan = _source_plan(shot, wish) if route is Route.SOURCE else _render_plan(shot, wish, why_not)
    _require_fitting_matte(shot, plan)
    return plan


def shot_words(shot: Shot) -> tuple[str, ...]:
    """What the artist is shown before anything is sent, and what is unusual."""
    clip, why = shot.clip, _why_not_source(shot)
    frames = f"{clip.record.count} frames from timeline frame {clip.record.start}"
    rate = f"{shot.timeline.rate:g} frames a second{', drop-frame' if shot.timeline.is_drop_frame else ''}"
    lines = [f"{clip.name} on V{clip.track}: {frames}, {rate}"]
    lines.append(f"{why}: what the timeline shows will be sent" if why else _source_words(clip))
    lines.append(colour_words(shot.colour, clip.media.colour if clip.media else {}))
    return (*lines, *_notes(shot, Route.RENDER if why else Route.SOURCE))


def source_survey(shot: Shot) -> dict[str, str]:
    """What to ask the daemon about a clip's source before the artist is asked; empty if the source is not sent."""
    media = shot.clip.media
    if media is None or _why_not_source(shot):
        return {}
    plate, frames = _source_files(shot.clip)
    return {"plate": plate, "frames": frames.words(), "colourspace": source_colourspace(media.colour, asked="")}


def _source_words(clip: Clip) -> str:
    """Which files, which of their frames, and what there is besides."""
    plate, frames = _source_files(clip)
    name = plate.replace("\\", "/").rpartition("/")[2]
    around = f"the media has {clip.before} frames before them and {clip.after} after"
    return f"Its source is sent, without the grade: {name}, {frames.words()}; {around}"


def _source_files(clip: Clip) -> tuple[str, Range[SourceFrame]]:
    """The pattern or file of a clip's media, and the numbers of the frames that show."""
    path = clip.media.path if clip.media is not None else ""
    named = parse_sequence(path)
    first = named.first if named else _FIRST_OF_MOVIE
    return named.pattern if named else path, source_range(first=first, offset=clip.before, count=clip.record.count)


def _why_not_source(shot: Shot) -> str:
    """Why the media's files cannot be the plate; "" if they can."""
    clip, media = shot.clip, shot.clip.media
    if clip.is_transition:
        return "This is a transition"
    if media is None:
        return "The clip has no media of its own (a title, generator or adjustment clip)"
    if not media.path:
        return "The clip is a timeline, compound, multicam or Fusion clip"
    return _why_not_media(media) or _why_not_time(shot, clip, media)


def _why_not_media(media: Media) -> str:
    if not media.is_there:
        return "The media is offline"
    if not kind_of(media.path):
        return f"Files of the kind .{media.path.rpartition('.')[2]} cannot be read outside of Resolve"
    if media.pixel_aspect not in ("", "Square"):
        return f"Its pixels are not square ({media.pixel_aspect})"
    if media.field_order.startswith(("Upper", "Lower")):
        return f"It is interlaced ({media.field_order})"
    return ""


def _why_not_time(shot: Shot, clip: Clip, media: Media) -> str:
    if not clip.record.count:
        return "Resolve does not say where the clip lies"
    if media.rate and abs(media.rate / shot.timeline.rate - 1) > _RATE_DIFFERENCE:
        return f"It has {media.rate:g} frames a second and the timeline {shot.timeline.rate:g}"
    if clip.speed is not Speed.NORMAL:
        words = {Speed.RETIMED: "The clip is retimed", Speed.REVERSED: "The clip runs backwards"}
        return words.get(clip.speed, "Resolve does not say how fast the clip runs")
    if media.frames and clip.before + clip.record.count > media.frames:
        return "The clip shows more frames than its media has"
    return ""


def _source_plan(shot: Shot, wish: Wish) -> FixPlan:
    clip, media = shot.clip, shot.clip.media
    if media is None:  # `_why_not_source` said so
        raise Refusal("The clip has no media", remedy=_SHOWN)
    plate, frames = _source_files(clip)
    plan = FixPlan(
        route=Route.SOURCE,
        name=shot_name(clip),
        record=clip.record,
        plate=plate,
        frames=frames,
        handles=handles_within(wish.handles, before=clip.before, after=clip.after),
        colourspace=source_colourspace(media.colour, asked=wish.colourspace),
        size_px=media.size_px,
        matte=wish.matte,
        read_as=media.colour,
        notes=_notes(shot, Route.SOURCE),
    )
    return _with_references(plan, wish.references)


def _render_plan(shot: Shot, wish: Wish, why: str) -> FixPlan:
    clip = shot.clip
    if clip.media is not None and not clip.media.is_there:
        raise Refusal("The media is offline", remedy="Relink it in the media pool", path=clip.media.path)
    if clip.is_transition:
        raise Refusal("This is a transition", remedy="Park on a clip")
    space = render_colourspace(shot.colour, asked=wish.colourspace)
    if not space:
        raise Refusal(
            "The project does not say in which colour space it renders",
            remedy="Name the colour space, as the daemon calls it",
        )
    before, after = handles_within(
        wish.handles, before=clip.record.start - shot.timeline.start, after=shot.timeline.end - clip.record.end
    )
    notes = (*((f"{why}: what the timeline shows is rendered",) if why else ()), *_notes(shot, Route.RENDER))
    plan = FixPlan(
        route=Route.RENDER,
        name=shot_name(clip),
        record=clip.record,
        plate="",
        frames=Range(SourceFrame(clip.record.start), SourceFrame(clip.record.end)),
        handles=(before, after) if not wish.is_solo else (0, 0),
        colourspace=space,
        size_px=shot.timeline.size_px,
        matte=wish.matte,
        read_as=render_properties(shot.colour),
        notes=notes,
    )
    return _with_references(plan, wish.references)


def _with_references(plan: FixPlan, references: Sequence[Reference]) -> FixPlan:
    numbered = []
    for reference in references:
        number = None
        if reference.at is not None:
            number = plan.source_of(reference.at)
            if number is None:
                raise Refusal(
                    f"The reference belongs to timeline frame {reference.at}, where this clip does not show",
                    remedy="Park on the clip when you add it",
                    path=reference.path,
                )
        numbered.append((reference.path, number))
    return replace(plan, references=tuple(numbered))


def _require_wish(wish: Wish) -> None:
    matte = wish.matte
    if matte.kind == MatteKind.FILE and not matte.path:
        raise Refusal("There is no matte", remedy="Name a file, choose Fusion masks, or choose a track")
    if matte.kind == MatteKind.MASKS and not matte.masks:
        raise Refusal("No Fusion mask was chosen", remedy="Name a mask FIX_… in the clip's composition, or choose one")
    if wish.operation in ("replace", "generate") and not wish.instruction.strip():
        raise Refusal(f"{wish.operation.capitalize()} needs an instruction", remedy="Say what shall be there")
    if not 0 <= wish.handles <= 1000:
        raise Refusal("Handles are 0 to 1000 frames", remedy="Choose fewer")


def _require_fitting_matte(shot: Shot, plan: FixPlan) -> None:
    """A matte drawn on one picture must not be laid on another."""
    clip, kind = shot.clip, plan.matte.kind
    is_same = clip.is_as_it_is and clip.media is not None and clip.media.size_px == shot.timeline.size_px
    if kind == MatteKind.TRACK and plan.matte.track == clip.track:
        raise Refusal("The matte cannot be on the clip's own track", remedy="Put the matte clip on a track above")
    if plan.route is Route.SOURCE and kind == MatteKind.TRACK and not is_same:
        raise Refusal(
            "A rendered matte has the timeline's picture, and this clip is scaled or moved in it",
            remedy=_SHOWN,
            other_way=Route.RENDER.value,
        )
    if kind != MatteKind.MASKS:
        return
    missing = [name for name in plan.matte.masks if name not in clip.masks]
    if missing:
        raise Refusal(f"The clip has no readable mask {missing[0]}", remedy="Choose one of the list")
    if plan.route is Route.RENDER and not is_same:
        raise Refusal(
            "Fusion masks lie on the source, and this clip is scaled, moved or retimed in the timeline",
            remedy="Send the source instead, or render the matte",
            other_way=None if _why_not_source(shot) else Route.SOURCE.value,
        )
    if plan.route is Route.RENDER and clip.speed is not Speed.NORMAL:
        raise Refusal("Fusion masks of a retimed clip cannot be placed in time", remedy="Render the matte instead")


def _notes(shot: Shot, route: Route) -> tuple[str, ...]:
    """What is unusual about a clip that goes this way."""
    clip, is_source = shot.clip, route is Route.SOURCE
    said = []
    if clip.touches_transition:
        said.append("A transition reaches into the clip: its frames there are mixed with the neighbour's")
    if not clip.is_enabled:
        said.append("The clip is disabled")
    if clip.changed_sizing:
        also = "; a take of the source is changed with it" if is_source else ", and is sent so"
        said.append(f"The clip is changed by {', '.join(clip.changed_sizing)}{also}")
    if clip.has_fusion:
        said.append("The clip has a Fusion composition; it comes " + ("after" if is_source else "before") + " the take")
    if is_source:
        said.append("Resolve does not say whether a clip is stabilised: a take of the source is stabilised with it")
    if clip.takes > 1:
        said.append(f"The clip has {clip.takes} takes of its own; they stay")
    return tuple(said)


def shot_name(clip: Clip) -> str:
    """What a shot is called everywhere: by the files of a sequence, else by the clip's name without its extension."""
    named = parse_sequence(clip.media.path) if clip.media is not None else None
    if named is None:
        return safe_name(clip.name.rpartition(".")[0] or clip.name)
    return safe_name(named.pattern.replace("\\", "/").rpartition("/")[2].partition("#")[0])
