"""Spiking residual networks with threshold-dependent batch normalization (STBP-tdBN), offline.

`normalization` holds tdBN, `neurons` the LIF layer that sees a whole sample, `layers` and
`networks` what is built of them. `training` runs backpropagation through time, `recording` looks at
the spikes, `fusion` moves tdBN into the convolutions, `description` exports a trained network,
`files` keeps networks, `command_line` is ``python -m onchip.models.tdbn``.

Source: H. Zheng, Y. Wu, L. Deng, Y. Hu, G. Li, "Going Deeper With Directly-Trained Larger Spiking
Neural Networks", AAAI 2021 (arXiv 2011.05280).
"""
