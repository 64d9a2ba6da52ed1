"""Evaluation metrics: of one image in NumPy, one named function each; `running` adds them up over images."""
