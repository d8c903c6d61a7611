"""Whether a loaded pipeline holds the weights of its folder, and nothing that was made up.

transformers gives a layer whose weights it does not find random ones, and says so in a log only; diffusers leaves it
without any. Both would be found out by the picture, if at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secondtake.errors import BadInput
from secondtake_daemon.models.weights import count_parameters

__all__ = ["check_whole"]


def check_whole(pipe: Any, folder: Path) -> None:
    """Right after `from_pretrained`, before anything is moved or stored otherwise. Raises BadInput.

    Numbers are counted, not names compared: both libraries rename and join weights while they load. What is tied
    together is one.
    """
    import torch

    for name, part in pipe.components.items():
        if not isinstance(part, torch.nn.Module):
            continue
        place = folder / name
        needed = sum(each.numel() for each in part.parameters())
        held = sum(count_parameters(path) for path in place.glob("*.safetensors"))
        if held < needed or any(each.is_meta for each in part.parameters()):
            raise BadInput(
                f"The weights of the model's part '{name}' are not those of a {type(part).__name__}",
                remedy="Get that part again, from where the model comes from",
                path=place,
            )
