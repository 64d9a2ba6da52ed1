"""Refiners that the papers compare with: they need no coarse feature, so they go with any base network."""
