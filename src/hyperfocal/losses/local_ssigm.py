"""Local SSIGM: gradient matching in small windows, each with its own scale and shift (PatchRefiner V2).

    L = (1/K) Σ_k (1/|Ω_k|) Σ_{Ω_k} ( |∇x r_k| + |∇y r_k| ),  r_k = s_k·p + t_k − q

over K = 100 square windows Ω_k of side 23 in each image, (s_k, t_k) the least squares in the window. No
published code has it. Left open by the paper and chosen here: windows are redrawn at each call, differences
step over two pixels as in the global form, and a window whose prediction is flat has s = t = 0 (`ssi`).
"""

import torch
from torch import Tensor

from hyperfocal.losses.ssi import aligned_residual
from hyperfocal.losses.ssigm import changes


def local_ssigm(
    prediction: Tensor,
    label: Tensor,
    valid: Tensor,
    generator: torch.Generator,
    windows: int = 100,
    side: int = 23,
) -> Tensor:
    """Scale-and-shift-invariant gradient matching in random windows.

    Args:
        prediction: depth, (N, 1, H, W); finite where valid.
        label: pseudo label of the same shape, in any unit.
        valid: bool of the same shape.
        generator: places the windows, uniformly within the image.
        windows: how many in each image, at least 1.
        side: of a window in pixels; a smaller image bounds it.

    Returns:
        A scalar ≥ 0 in the label's unit. Windows in which no two pixels can be compared count as 0.
    """
    n, _, height, width = prediction.shape
    side = min(side, height, width)
    top, left = (
        torch.randint(size - side + 1, (n, windows, 1, 1), generator=generator, device=generator.device)
        for size in (height, width)
    )
    step = torch.arange(side, device=generator.device)
    rows, columns = top + step[:, None], left + step
    pixels = (rows * width + columns).flatten(1).to(prediction.device)
    p, q, v = (
        x.flatten(1).gather(1, pixels).view(n * windows, side, side) for x in (prediction, label, valid)
    )
    return (changes(aligned_residual(p, q, v), v) / v.flatten(1).sum(1).clamp_min(1)).mean()
