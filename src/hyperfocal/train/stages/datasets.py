"""The batches of a recipe: the papers' crops, or those of our own models."""

from torch.utils.data import Dataset

from hyperfocal.data.batches import Reader, WholeBatch, WholeCrops, WindowBatch, WindowCrops
from hyperfocal.data.crops import size_of_area
from hyperfocal.data.patches import PaperPatches, PaperPhotos, PatchBatch
from hyperfocal.train.recipes import Recipe


def whole_photos(reader: Reader, recipe: Recipe) -> Dataset[WholeBatch]:
    """Whole photos, or large crops that stand for them."""
    if recipe.patches is not None:
        return PaperPhotos(reader, batch=recipe.batch, patches=recipe.patches, seed=recipe.seed)
    return WholeCrops(
        reader,
        batch=recipe.batch,
        area=recipe.area,
        fraction=recipe.fraction,
        canonical=recipe.canonical,
        seed=recipe.seed,
    )


def windows(reader: Reader, recipe: Recipe) -> Dataset[WindowBatch] | Dataset[PatchBatch]:
    """Photos with windows; the papers' in overlapping pairs where their consistency is learnt."""
    r = recipe
    if r.patches is not None:
        return PaperPatches(
            reader,
            batch=r.batch,
            windows=r.windows,
            patches=r.patches,
            pairs=r.consistency > 0,
            seed=r.seed,
        )
    return WindowCrops(
        reader,
        batch=r.batch,
        windows=r.windows,
        area=r.area,
        tile_size=size_of_area(r.tile_area, 4 / 3),
        window=r.window,
        fraction=r.fraction,
        canonical=r.canonical,
        seed=r.seed,
    )
