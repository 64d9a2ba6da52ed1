"""The papers' data sets as training sees them: size of photos and crops, and range of depth."""

from hyperfocal.data.patches import Patches

U4K = Patches()
MVS_SYNTH = Patches(image=(1080, 1920))
CITYSCAPES = Patches(image=(1024, 2048), depth=(1e-3, 250.0))
KITTI = Patches(image=(352, 1216), split=(2, 4))
SCANNETPP = Patches(image=(1440, 1920), split=(2, 2), depth=(1e-3, 10.0))
