"""Data: samples, one reader for each data set, crops, looks and batches. Knows no network."""
