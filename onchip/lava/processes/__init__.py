"""Lava Processes and their floating-point ProcessModels; nothing else may live in this folder."""
