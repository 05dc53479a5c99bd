"""What a network takes, by one rule for every backend, checked before anything runs.

A network takes spikes: frames of 0 and 1. Real-valued frames are currents, which a network in
floating point takes where its first layer is a convolution: that is evaluated on the host, or in
one process, and sends spikes. A dense first layer would receive them through a synapse of Lava,
which knows spikes only, and integers take no currents. That a simulator could do with more (the
NumPy engine multiplies whatever it is given) is no reason to accept there what others refuse.
"""

from __future__ import annotations

import numpy as np

from onchip.engine.inputs import check_binary, check_frames
from onchip.network.spec import is_convolution
from onchip.program.graphs import AnyNetwork
from onchip.program.integer_spec import FixedNetworkSpec


def takes_currents(spec: AnyNetwork) -> bool:
    """Whether a network takes real-valued frames."""
    return not isinstance(spec, FixedNetworkSpec) and is_convolution(spec.layers[0])


def check_inputs(frames: np.ndarray, spec: AnyNetwork) -> np.ndarray:
    """`frames` as [samples, T, *input_shape]; ValueError unless the network takes them.

    See `onchip.engine.inputs.check_frames` for shapes and types, and this module for values.
    """
    frames = check_frames(frames, spec)
    if not takes_currents(spec):
        check_binary(frames)
    return frames
