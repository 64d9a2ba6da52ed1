"""The bundled model's three runs."""

from hyperfocal.train.recipes.recipe import Recipe

COARSE = Recipe(stage="coarse", group="nano", about="nano's coarse network, ImageNet encoder, whole photos")
PRETRAIN = Recipe(
    stage="pretrain",
    group="nano",
    about="nano's refiner on whole photos with noise in place of coarse features (noisy pretraining)",
    area=192 * 192,
    fraction=(0.2, 1.0),
    lr=1e-3,
    encoder_lr=0.0,
    gradient=2.0,
    own=1.0,
)
E2E = Recipe(
    stage="e2e",
    group="nano",
    about="nano's refiner on tile-scale windows, with the coarse network (end to end)",
    batch=2,
    windows=2,
    window=(192, 192),
    fraction=(0.7, 1.0),
    lr=1e-3,
    encoder_lr=0.1,
    coarse_lr=0.0,
    gradient=10.0,
    own=0.3,
    per_image=True,
)

RECIPES = {"nano-coarse": COARSE, "nano-pretrain": PRETRAIN, "nano-e2e": E2E}
