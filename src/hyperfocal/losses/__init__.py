"""Training losses: one file each, formula and source on top."""
