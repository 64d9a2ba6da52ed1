"""The parity fixture PF_DAS: PatchFusion on Depth Anything (vits), its seeded checkpoint, photo and outputs.

Of the published P=16 map every 16th pixel is kept.
"""

import functools
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from data.parity.seeded import seeded_input, seeded_tensor

FOLDER = Path(__file__).parent / "data" / "parity" / "networks" / "PF_DAS"
SIZE = (392, 518)  # of the process
PHOTO, TILE = (2160, 3840), (540, 960)


def keys() -> dict[str, list[int]]:
    return json.loads((FOLDER / "keys.json").read_text())


def checkpoint(prefix: str = "") -> dict[str, Tensor]:
    """The entries whose names start with `prefix`."""
    return {
        name: torch.from_numpy(np.asarray(seeded_tensor(name, tuple(shape))))
        for name, shape in keys().items()
        if name.startswith(prefix)
    }


@functools.cache
def photo() -> Tensor:
    """(1, 3, 2160, 3840): smooth colours and noise."""
    smooth = torch.from_numpy(seeded_input("image_hr_small", (1, 3, 27, 48)))
    noise = torch.from_numpy(seeded_input("image_hr_noise", (1, 3, *TILE)))
    smooth = F.interpolate(smooth, PHOTO, mode="bilinear", align_corners=True)
    return 0.8 * smooth + 0.2 * noise.tile(1, 1, 4, 4)


def shrunken(image: Tensor) -> Tensor:
    """The image at the process size."""
    return F.interpolate(image, SIZE, mode="bilinear", align_corners=True)


def tile(top: int, left: int) -> Tensor:
    """A tile of the photo at the process size."""
    return shrunken(photo()[..., top : top + TILE[0], left : left + TILE[1]])


def error(ours: Tensor, name: str) -> float:
    """Largest difference from the published output, relative to that one's range."""
    with np.load(FOLDER / "outputs.npz") as outputs:
        expected = outputs[name]
    if "depth" in name:
        ours = ours[..., ::4, ::4]
    else:
        step = max(1, ours.shape[-1] // 32)
        ours = ours[:, ::16, ::step, ::step]
    return float(np.abs(ours.numpy() - expected).max() / np.ptp(expected))
