"""Tiles as pure functions: plan (size → boxes), merge (values → canvas), choose (where a tile pays)."""
