"""BoostingModel: the way through BoostingDepth (Miangoleh et al., CVPR 2021), which chooses its patches by content.

It differs from every other system in what the walk itself does: the base estimate is a double one whose high
resolution depends on the photo, and patches of different sizes are merged one after the other into the running map.
So it is a `Model` with these two steps replaced; the network part is an ordinary refiner.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from PIL import Image

from hyperfocal.coarse import CoarseNetwork
from hyperfocal.photo import Photo
from hyperfocal.predictor import Model, Report, Scene
from hyperfocal.refine import Boosting
from hyperfocal.resample import FloatMap, process_size
from hyperfocal.tiles.content import SCALES, Mask, edges, high_scale, patches
from hyperfocal.tiles.merge import gaussian_mask
from hyperfocal.tiles.tiling import Tiling


class BoostingModel(Model):
    """BoostingDepth on a base network. The tiling "auto" means its own patches; others take those tiles."""

    def _see_whole(self, photo: Photo) -> Scene:
        """Estimate the photo at two resolutions: the base estimate (section 4)."""
        scale = high_scale(self._cues(photo))
        low, multiple = self._low(photo), cast(CoarseNetwork, self.coarse).multiple
        high = (round(low[0] * scale / multiple) * multiple, round(low[1] * scale / multiple) * multiple)
        with torch.inference_mode(), self._precision():
            depth = cast(Boosting, self.refiner).estimated(self._shrunken([photo.pixels], high), low)
        return Scene(photo, depth.float(), ())

    def _see_tiles(self, scene: Scene, tiling: Tiling, report: Report) -> FloatMap:
        """Merge patches into the base estimate, the largest first, each into what the earlier ones left."""
        if tiling.name != "auto":
            return super()._see_tiles(scene, tiling, report)
        height, width = scene.photo.pixels.shape[:2]
        canvas: FloatMap = self._enlarged(scene.depth, (height, width))[0].copy()
        boxes = patches(self._cues(scene.photo), height, width)
        report.tiles = len(boxes)
        for done, box in enumerate(boxes, 1):
            known = scene._replace(depth=torch.from_numpy(canvas)[None, None].to(self.device))
            [depth], refined = self._refined(known, [box])
            region = canvas[box.slices]
            region += gaussian_mask(box.height, box.width) * (depth - region)
            report.refined += refined
            if tiling.on_progress is not None:
                tiling.on_progress(done, len(boxes))
        return canvas

    def _cues(self, photo: Photo) -> Mask:
        """Edges of the photo at the largest resolution at which it may be estimated."""
        low = self._low(photo)
        size = int(low[1] * SCALES[0]), int(low[0] * SCALES[0])
        return edges(np.asarray(Image.fromarray(photo.pixels).resize(size, Image.Resampling.BOX)))

    def _low(self, photo: Photo) -> tuple[int, int]:
        """Return height and width at which the network sees the photo whole: its receptive field."""
        height, width, _ = photo.pixels.shape
        return process_size(height, width, self.config.coarse_size, self.config.keep_aspect)
