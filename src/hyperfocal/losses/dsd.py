"""DSD, detail and scale disentangling: scale from sparse truth, detail from a teacher (PatchRefiner).

L = SILog(p, real truth) + λ · L_pseudo(p, teacher's label)

L_pseudo is one of `ranking`, `ssi`, `ssigm`, `local_ssigm`. Published λ: 0.8 (V2's paper), 0.5 (its
Cityscapes configuration), 0.07 (PatchRefiner's released SSI checkpoint).
"""

from torch import Tensor

from hyperfocal.losses.silog import silog


def dsd(
    prediction: Tensor, target: Tensor, valid: Tensor, pseudo_label_loss: Tensor, lam: float = 0.8
) -> Tensor:
    """SILog on the known pixels plus the weighted loss to the teacher's label.

    Args:
        prediction: depth ≥ 0, any shape.
        target: real depth of the same shape.
        valid: bool of the same shape: where the real depth is known.
        pseudo_label_loss: scalar, of the same prediction; left out, with its gradients, unless finite.
        lam: its weight λ.

    Returns:
        A scalar.
    """
    real = silog(prediction, target, valid)
    return real + lam * pseudo_label_loss if pseudo_label_loss.isfinite() else real
