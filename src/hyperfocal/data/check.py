"""What is wrong with a data set, frame by frame."""

import numpy as np

from hyperfocal.data.kinds import DataSet
from hyperfocal.data.sample import Sample
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError


def fault(data: DataSet, index: int, min_ssim: float | None = None) -> str | None:
    """Return one line that names a frame's broken file and says why, or None if the frame is sound.

    Args:
        data: whose frame.
        index: of the frame.
        min_ssim: a stereo pair whose disparity explains less of it (see `view_ssim`) is broken, too.
    """
    try:
        sample = data[index]
        if not (np.isfinite(sample.metres) & sample.valid).any():
            return f"{data.frames[index].truth}: no pixel of known depth"
        if min_ssim is not None and isinstance(data, UnrealStereo4K):
            return _ssim_fault(data, index, sample, min_ssim)
    except HyperfocalError as error:
        return str(error)
    return None


def _ssim_fault(data: UnrealStereo4K, index: int, sample: Sample, min_ssim: float) -> str | None:
    from hyperfocal.data.ssim import view_ssim  # OpenCV, which the other data sets do without

    frame, right = data.frames[index], data.right(index)
    if right.shape != sample.image.shape:
        return f"{frame.files['image']}: {sample.image.shape[:2]}, but the right view is {right.shape[:2]}"
    ssim = view_ssim(sample.image, right, data.disparity(index))
    return None if ssim >= min_ssim else f"{frame.truth}: SSIM of the views {ssim:.3f}, below {min_ssim:g}"
