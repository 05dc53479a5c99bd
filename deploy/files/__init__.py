"""Network files: HDF5, its codec, and lava-dl's netx format."""
