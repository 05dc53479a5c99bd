"""The NumPy engine: runs and trains networks in floating point and in integers."""
