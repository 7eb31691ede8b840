"""Items for a model of the real world: what it may know, asked in its own chat template."""
