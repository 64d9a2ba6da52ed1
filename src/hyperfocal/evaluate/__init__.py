"""Scores of models and of depth maps on data with known depth."""
