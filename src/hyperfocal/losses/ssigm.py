"""SSIGM: scale-and-shift-invariant gradient matching to a pseudo label (PatchRefiner V2).

    GM:     e = p − q
    SSIGM:  e = s·p + t − q,  (s, t) each image's least squares (`ssi`)
    L = ( Σ |e[x] − e[x+2]| + Σ |e[y] − e[y+2]| ) / N

N = number of valid pixels of the batch, both ends of a difference valid, steps of two pixels as in MegaDepth's
single-scale form. The published plain-GM class slices one axis too few and sees one direction only.
"""

from torch import Tensor

from hyperfocal.losses.precision import at_least_float32
from hyperfocal.losses.ssi import aligned_residual

STEP = 2


def gm(prediction: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """Gradient matching without alignment: only the shift is free.

    Args:
        prediction: depth, (N, 1, H, W); finite where valid.
        label: pseudo label of the same shape and unit.
        valid: bool of the same shape.

    Returns:
        A scalar ≥ 0 in the label's unit; 0 where no two pixels can be compared.
    """
    p, q = at_least_float32(prediction, label)
    return changes((p - q).masked_fill(~valid, 0), valid).sum() / valid.sum().clamp_min(1)


def ssigm(prediction: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """Gradient matching after each image's best scale and shift.

    Args:
        prediction: depth, (N, 1, H, W); finite where valid.
        label: pseudo label of the same shape, in any unit.
        valid: bool of the same shape.

    Returns:
        A scalar ≥ 0 in the label's unit; 0 where no two pixels can be compared.
    """
    return changes(aligned_residual(prediction, label, valid), valid).sum() / valid.sum().clamp_min(1)


def changes(residual: Tensor, valid: Tensor) -> Tensor:
    """Σ |e[x] − e[x+2]| + Σ |e[y] − e[y+2]| of each image.

    Args:
        residual: (N, ..., H, W), finite everywhere.
        valid: bool of the same shape; both pixels of a difference must be.

    Returns:
        (N,).
    """
    along_y, along_x = (
        ((e[..., STEP:, :] - e[..., :-STEP, :]).abs() * (v[..., STEP:, :] & v[..., :-STEP, :]))
        .flatten(1)
        .sum(1)
        for e, v in ((residual, valid), (residual.mT, valid.mT))
    )
    return along_y + along_x
