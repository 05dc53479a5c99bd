"""Fast process models: Lava's own results from matrix products and in-place updates."""
