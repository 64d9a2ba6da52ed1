"""Predictions of a model, which runs in a process of its own: its memory is only its own, its death nobody else's."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.score import Prediction
from hyperfocal.evaluate.truth import Truth
from hyperfocal.machine import gemm_rate, keep_freed_memory, peak_rss_mb
from hyperfocal.metrics.consistency import GRID, consistency_boxes, consistency_error
from hyperfocal.metrics.depth import Alignment, clip


@dataclass
class ModelRun:
    """A model with one tiling.

    The photo's true focal length is given to the model, as a camera's EXIF would give it. Each prediction has

    - seconds: of networks, tiles and merging; reading the photo isn't in them
    - gflop: of the first photo, 2 per multiply-add
    - gemm_gflop_per_second: what the machine's float32 matrix multiplication reached right after
    - peak_rss_mb: the most memory that the process has held so far, weights and libraries included
    - peak_gpu_mb: the most memory of the GPU that PyTorch has given out so far; only there
    - ce: the consistency error of its tiles in metres, if asked for, unaligned; none without tiles

    Attributes:
        name: in the table.
        model: bundled name, local directory or hub id.
        tiling: "none" is the coarse map alone.
        device: as for `load`.
        focal_px: of all photos; by default what the data say.
        with_ce: predict the tiles of CE besides.
        min_depth: metres; CE is of predictions clipped to the range.
        max_depth: metres.
        about: licence, size, device and precision, known once it has run.
    """

    name: str
    model: str
    tiling: str
    device: str = "auto"
    focal_px: float | None = None
    with_ce: bool = False
    min_depth: float = 1e-3
    max_depth: float = 80.0
    about: Mapping[str, str] = field(default_factory=dict)
    alignments: tuple[Alignment, ...] | None = None

    def __call__(self, truths: Iterable[Truth]) -> Iterator[tuple[Truth, Prediction]]:
        """Yields a prediction of each photo.

        Raises:
            HyperfocalError: the model can't be loaded or run, or the system ended its process.
        """
        try:
            with ProcessPoolExecutor(1, _context(), _end_at_ctrl_c) as process:
                self.about = process.submit(_load, self.model, self.device).result()
                first = True
                for truth in truths:
                    assert truth.image is not None
                    focal = self.focal_px or truth.focal_px
                    metres, measured = process.submit(
                        _predict, truth.image, self.tiling, focal, first
                    ).result()
                    if self.with_ce and self.tiling != "none":
                        tiles, overlap = process.submit(_predict_tiles, truth.image, focal).result()
                        measured["ce"] = consistency_error(
                            clip(tiles, self.min_depth, self.max_depth), overlap
                        )
                    yield truth, Prediction(metres, measured)
                    first = False
        except BrokenProcessPool as error:
            raise HyperfocalError(
                f"model {self.name!r}, tiling {self.tiling}: its process was ended, most likely for want of memory"
            ) from error


def _context() -> Any:
    """Children of a server that has imported PyTorch once; fresh processes where forks are no good."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hyperfocal.loading"])
    return context


def _end_at_ctrl_c() -> None:
    """The child ends without a word; its parent says it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# In the child, whose one model this is:
_model: Any = None


def _load(name: str, device: str) -> dict[str, str]:
    global _model
    keep_freed_memory()
    import torch

    from hyperfocal.loading import load

    _model = load(name, device=device)
    device_words = f"{_model.device}, {torch.get_num_threads()} threads"
    if _model.device.type == "cuda":
        device_words = f"{_model.device}, {torch.cuda.get_device_name(_model.device)}"
    parameters = sum(p.numel() for net in (_model.coarse, _model.refiner) if net for p in net.parameters())
    return {
        "licence": _model.config.licence,
        "parameters": f"{parameters / 1e6:.1f} M",
        "device": device_words,
        "precision": str(_model.dtype).removeprefix("torch."),
    }


def _predict(
    image: NDArray[np.uint8], tiling: str, focal_px: float | None, count: bool
) -> tuple[NDArray[np.float32], dict[str, float]]:
    import torch

    measured: dict[str, float] = {}
    if count:  # apart from the timed prediction, which counting would slow down; it warms up, too
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            _model.predict(image, tiling=tiling, focal_px=focal_px)
        measured["gflop"] = counter.get_total_flops() / 1e9
    start = time.perf_counter()
    metres = _model.predict(image, tiling=tiling, focal_px=focal_px).metres
    measured["seconds"] = time.perf_counter() - start
    measured["peak_rss_mb"] = peak_rss_mb() or float("nan")
    if _model.device.type == "cuda":
        measured["peak_gpu_mb"] = torch.cuda.max_memory_allocated(_model.device) / 1e6
    measured["gemm_gflop_per_second"] = gemm_rate(_model.device, repeats=2)
    return metres, measured


def _predict_tiles(image: NDArray[np.uint8], focal_px: float | None) -> tuple[NDArray[np.float32], int]:
    """(rows, columns, h, w) metres, and how many pixels neighbours share."""
    boxes, overlap = consistency_boxes(image.shape[0], image.shape[1])
    tiles = _model.predict_tiles(image, boxes, focal_px=focal_px)
    return tiles.reshape(GRID, GRID, *tiles.shape[1:]), overlap
