"""Refiners that the papers compare with. Only SMD-Net reads coarse features; the others go with any base network."""
