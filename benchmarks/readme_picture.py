"""Makes docs/images/comparison.jpg: a photo, its coarse map and its refined map, whole above and a crop below.

python benchmarks/readme_picture.py PHOTO OUT.jpg --crop LEFT,TOP,WIDTH,HEIGHT (fractions of the photo)
"""

import argparse

import numpy as np
from PIL import Image

import hyperfocal
from hyperfocal.depthmap.picture import depth_picture


def main() -> None:
    """Predict twice and lay the pictures out in two rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo")
    parser.add_argument("out")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--crop", default="0.4,0.4,0.2,0.2")
    parser.add_argument("--width", type=int, default=560, help="of one panel, pixels")
    options = parser.parse_args()
    model = hyperfocal.load(options.model)
    photo = np.asarray(Image.open(options.photo).convert("RGB"))
    maps = [model.predict(options.photo, tiling=tiling).metres for tiling in ("none", "auto")]
    height, width = photo.shape[:2]
    left, top, w, h = (float(v) for v in options.crop.split(","))
    crop = np.s_[int(top * height) : int((top + h) * height), int(left * width) : int((left + w) * width)]
    rows = []
    for region in (np.s_[:, :], crop):
        panels = [photo[region], *(depth_picture(np.ascontiguousarray(metres[region])) for metres in maps)]
        tall = round(options.width * panels[0].shape[0] / panels[0].shape[1])
        size = (options.width, tall)
        rows.append(
            np.concatenate(
                [np.asarray(Image.fromarray(p).resize(size, Image.Resampling.LANCZOS)) for p in panels], 1
            )
        )
    Image.fromarray(np.concatenate(rows)).save(options.out, quality=88)


if __name__ == "__main__":
    main()
