"""A user's own program, with types, that imports public names alone."""

EXAMPLE = '''
"""What a user writes, with types."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from onchip import LIF, DenseSpec, LeakyIntegrator, Network, add_classes, chain, with_learning
from onchip.deploy import SampleEvent, StreamResult, build, load_spec, quantize, save_spec

Frames = npt.NDArray[np.uint8]


def stream(count: int) -> Iterator[tuple[Frames, int | None]]:
    rng = np.random.default_rng(0)
    for i in range(count):
        yield (rng.random((5, 8)) < 0.3).astype(np.uint8), None if i % 3 == 0 else i % 2


def tell(event: SampleEvent) -> bool:
    print(event.prediction, event.outputs.shape, event.spikes["hidden"].sum())
    return event.index >= 10


def network() -> Network:
    rng = np.random.default_rng(0)
    layers = (
        DenseSpec("hidden", rng.normal(0, 1, (6, 8)), LIF()),
        DenseSpec("readout", rng.normal(0, 1, (2, 6)), LeakyIntegrator()),
    )
    return with_learning(chain(layers, (8,), 5), learning_rate=0.1)


def main() -> None:
    with build(network(), "numpy", record=True) as execution:
        result: StreamResult = execution.stream(stream(20), tell)
        learned: Network = execution.snapshot()
    save_spec("network.h5", add_classes(learned, 1))
    with build(quantize(load_spec("network.h5"))) as integers:
        integers.stream(stream(3))
        print(result.accuracy, integers.samples, integers.snapshot().classes)


main()
'''
