"""Hyperfocal: one photo of any size in, a sharp depth map in metres out, at the photo's own resolution.

import hyperfocal

model = hyperfocal.load("nano")
depth = model.predict("photo.jpg")
depth.metres       # float32 (H, W), inf = sky
depth.save("photo.exr")
"""

from typing import TYPE_CHECKING, Any

from hyperfocal.errors import HyperfocalError

if TYPE_CHECKING:
    from hyperfocal.depthmap import DepthMap
    from hyperfocal.loading import load
    from hyperfocal.predictor import Model

__version__ = "0.1.0"
__all__ = ["DepthMap", "HyperfocalError", "Model", "__version__", "load"]

_HOMES = {"DepthMap": "hyperfocal.depthmap", "Model": "hyperfocal.predictor", "load": "hyperfocal.loading"}


def __getattr__(name: str) -> Any:
    """Import the heavy parts when they are first asked for: `import hyperfocal` answers at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperfocal' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
