"""The optional parts: which packages each one needs, and the line that is said where one is missing."""

EXTRAS = {  # what each one imports
    "metrics": ("kornia", "matplotlib", "scipy", "skimage", "torchmetrics"),
    "nyuv2": ("h5py", "scipy"),
    "stream": ("blosc2", "webdataset"),
    "train": ("accelerate", "cv2", "matplotlib", "tensorboard"),
    "synth": ("cv2", "moderngl"),
    "transformers": ("transformers",),
}


def missing(module: str, command: str | None = None) -> str | None:
    """Return one line that says how to get a missing module, or None if no optional part needs it.

    Args:
        module: that could not be imported.
        command: that wanted it; the optional part of that name goes before others that need the module, too.
    """
    package = module.partition(".")[0]
    extras = [name for name, packages in EXTRAS.items() if package in packages]
    if not extras:
        return None
    return f"{package} is missing: pip install 'hyperfocal[{command if command in extras else extras[0]}]'"
