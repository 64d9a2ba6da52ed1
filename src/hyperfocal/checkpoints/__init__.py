"""Models on disk: config.json + model.safetensors, the table of network kinds, published checkpoints."""

from hyperfocal.checkpoints.config import ModelConfig, build
from hyperfocal.checkpoints.directory import load, save

__all__ = ["ModelConfig", "build", "load", "save"]
