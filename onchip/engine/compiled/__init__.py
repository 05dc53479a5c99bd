"""Learning and predicting compiled with numba: whole samples, in floating point and in integers.

`onchip.engine.compiled.choice` is where to start: it says whether a program can be compiled, and
why not. Kernels see arrays only, which `wiring`, `integer_layout` and `real_layout` name. Nothing
here imports numba before the first sample is learned from.
"""
