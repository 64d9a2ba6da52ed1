"""The procedural world: scene families, a software renderer and a writer in UnrealStereo4K's layout."""
