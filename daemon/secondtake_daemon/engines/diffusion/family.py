"""A family: all checkpoints that one pipeline class of diffusers runs, as data and two small functions.

The daemon reads families too, so none of them imports numpy or torch: what a family hands to its pipeline it asks of
the run (`Asked`), which makes the tensors. A new pipeline is one module in `families/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from secondtake.messages import ControlKind, Operation
from secondtake_daemon.engines.card import EngineColour

__all__ = ["Asked", "Checkpoint", "Family", "Noise", "Settings", "Text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How hard the model works."""

    steps: int
    guidance: float
    second_guidance: float | None = None
    """Of the second stage of models that have two, or of the sound."""
    strength: float = 1.0
    """Of what it is conditioned on."""
    prompt_tokens: int = 512
    sigmas: tuple[float, ...] = ()
    """Noise levels of the steps, for checkpoints that were distilled to certain ones; () spaces `steps` evenly."""
    adapter: str = ""
    """What an adapter that is in its weights was trained for: `inpaint` shows it the hole in green; "" for none."""
    shows_screen: bool = False
    """True if it is also shown the plate as a screen would, because an adapter for high dynamic range asks for it."""

    @property
    def step_count(self) -> int:
        """Steps that are taken."""
        return len(self.sigmas) or self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Which noise a pipeline is given: one generator for each latent's absolute index (`noise.latent_noise`)."""

    channels: int
    scale: int
    """Pixels of a latent's side."""
    every: int
    """Frames of a latent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The reading of a prompt, which is done first, kept by what was read, and needs components that then may go."""

    parts: tuple[str, ...]
    """Components that nothing else uses."""
    read: Callable[[Any, str, int, str], dict[str, Any]] = field(repr=False)
    """(pipeline, words, tokens, device) → tensors, by the names of the arguments that they are; those of words to keep
    away from have `negative_` before them."""
    has_negative: bool = True
    """True if the pipeline takes words to keep away from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Weights that are known to run."""

    hub: str
    """Where they are published: owner/name."""
    billions: float
    """Parameters of all denoisers, in thousand millions."""
    licence: str
    """In one plain line."""
    is_free: bool
    """True if it asks for nothing beyond keeping its text: then it is on without being accepted."""


class Asked(Protocol):
    """One rendering as a family sees it (`run.Run`). Tensors are float32 on the CPU, pixels in codes 0 … 1."""

    @property
    def prompt(self) -> str:
        """What to make."""

    @property
    def negative_prompt(self) -> str:
        """What to keep away from; only with guidance above 1."""

    @property
    def settings(self) -> Settings:
        """Steps, guidance, …"""

    @property
    def width(self) -> int:
        """Of the canvas."""

    @property
    def height(self) -> int:
        """Of the canvas."""

    @property
    def length(self) -> int:
        """Frames."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    def video(self, *, grey: float | None = None) -> Any:
        """(1, F, 3, H, W): the plate; with grey, in the hole the control picture, or that grey where there is none."""

    def mask(self, *, whole_px: int = 1) -> Any:
        """(1, F, 1, H, W): exactly 1 in the hole, 0 elsewhere; in whole squares of that many pixels."""

    def screen(self) -> Any:
        """(1, F, 3, H, W): the plate as a screen shows it, in the codes of ordinary video."""

    def pictures(self) -> list[Any]:
        """The looks, as 8-bit PIL images."""

    def noise(self, noise: Noise, *, pictures: int = 0, still: bool = False) -> Any:
        """(1, channels, pictures + latents, H / scale, W / scale), standard normal; that of the pictures first.

        still: the same for every frame of the shot, for models that make one frame at a time.
        """

    def sound_noise(self, tokens: int, features: int) -> Any:
        """(1, tokens, features), standard normal, keyed to absolute time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is the same for all checkpoints."""

    name: str
    pipeline: str
    """Class in diffusers; `model_index.json` of a folder names it."""
    parts: frozenset[str] = frozenset()
    """Components that tell its folders from those of other families with the same pipeline."""
    runs: str = ""
    """`package.module:Class` that is loaded instead of the pipeline, a child of one of diffusers; "" is none."""
    summary: str
    operations: frozenset[Operation]
    controls: frozenset[ControlKind] = frozenset()
    """What can be followed inside the hole."""
    looks: int = 0
    """Pictures of what is wanted that it makes use of, at most."""
    shaper: str
    colour: EngineColour = EngineColour.LINEAR_REC709
    """The light that the shaper is defined over."""
    stride_px: int
    every: int
    """k of the rule k·m + 1 for the number of frames."""
    longest: int
    """Frames a checkpoint of this family was trained on at most."""
    head: int
    tail: int
    """Handles of a window: known frames on both sides, whole latents of them."""
    fps: float
    """Frames a second that it was trained on; other rates come out slower or faster."""
    area_px: int
    """Pixels of the canvas."""
    final: Settings
    draft: Settings
    negative_prompt: str = ""
    """What it keeps away from unless the job says otherwise."""
    removal_prompt: str = ""
    """What it is told to make when something is removed without a word."""
    denoisers: tuple[str, ...]
    """Components that take part in each step."""
    token_px: int
    """Side of a token, in pixels of the canvas: tokens = width · height / token_px² · latent frames."""
    activation_bytes: int
    """Estimated, for each token, in 16-bit floats; grows with the width of the model."""
    vae_px_bytes: int = 21_000
    """Of each pixel of the canvas (or of a tile) while the VAE runs in float32; traced, with a tenth on top."""
    vae_frame_bytes: int = 0
    """More for each frame of it, where the VAE takes the whole clip at once."""
    has_tiles: bool = True
    """True if the VAE takes tiles of a size that is given."""
    tile_px: int = 0
    """Side of the VAE's tiles, because memory is short (`memory.plan`); 0 is the canvas whole."""
    storage: str = "full"
    """How the denoisers' numbers lie in memory; `fp8` halves them, and changes the model."""
    text: Text | None = None
    """How its text encoder is used apart from it; None leaves it in the pipeline."""
    checkpoints: tuple[Checkpoint, ...] = ()
    adapter_uses: frozenset[str] = frozenset()
    """What adapters of its checkpoints are trained for that it knows how to work with: `inpaint`, `hdr`."""
    adapter_names: tuple[tuple[str, str], ...] = ()
    """Patterns of layers as their makers named them in adapters, and as diffusers does, in order."""
    arguments: Callable[[Asked], dict[str, Any]] = field(repr=False)
    """What the pipeline is called with."""
    frames: Callable[[Any], Any] = field(repr=False)
    """(F, H, W, 3) float32 codes, of what the pipeline returned."""
    sound: Callable[[Any, Any], tuple[Any, int] | None] = field(default=lambda output, pipe: None, repr=False)
    """(channels, samples) float32 in -1 … 1 and their rate in Hz, of what the pipeline returned; None is silence."""
    latents: Callable[[Any, Asked], Any] | None = field(default=None, repr=False)
    """(C, T, h, w): the picture's part of what is being denoised, as its scheduler has it; None shows no preview."""

    @property
    def window_frames(self) -> int:
        """Frames a window owns."""
        return self.longest - self.head - self.tail
