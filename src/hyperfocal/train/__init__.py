"""Training: stages (what is learnt), recipes (with which numbers), engine (the loop)."""
