"""Loihi 2 itself: whether it is there, and its process models."""
