"""Loihi 2's integers: widths, roundings and the learning accumulator, as NumPy arrays."""
