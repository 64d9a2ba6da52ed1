"""Evaluation metrics of one image: depth errors and edge errors, one named function each."""
