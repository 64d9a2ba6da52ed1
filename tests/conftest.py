"""Settings for all tests."""

import torch

torch.set_num_threads(1)  # tiny networks: more threads only wait for each other
