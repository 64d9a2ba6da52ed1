"""Deterministic weights and inputs for the parity fixtures.

Every tensor is a pure function of its name (and shape), so a fixture needs no stored weights:
`fill_state_dict` gives the same numbers on every machine (NumPy's frozen legacy generator).
"""

import math
import zlib

import numpy as np


def seeded_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float32 value of the checkpoint entry `name` with `shape`."""
    x = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.float32)
    if leaf == "running_mean":
        return 0.1 * x
    if leaf == "running_var":
        return 1.0 + 0.1 * np.abs(x)
    if len(shape) >= 2:
        return x * np.float32(math.sqrt(1.0 / max(1, int(np.prod(shape[1:])))))
    if leaf in ("gamma", "gamma_1", "gamma_2", "lambda1"):
        return 0.1 + 0.01 * x
    if leaf == "weight":
        return 1.0 + 0.05 * x
    return 0.05 * x


def seeded_input(name: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Return a float32 array, uniform in [low, high), for the fixture input `name`."""
    u = np.random.RandomState(zlib.crc32(("input/" + name).encode())).random_sample(shape)
    return (low + (high - low) * u).astype(np.float32)


def seeded_normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 standard-normal array for the fixture input `name`."""
    return (
        np.random.RandomState(zlib.crc32(("input/" + name).encode()))
        .standard_normal(shape)
        .astype(np.float32)
    )


def fill_state_dict(keys: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return {name: array} for a fixture's `keys.json` (name -> shape)."""
    return {name: seeded_tensor(name, tuple(shape)) for name, shape in keys.items()}
