"""Learning for life: networks that meet new classes and drifting sensors after deployment."""
