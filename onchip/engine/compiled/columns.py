"""What the columns of the kernels' tables of whole numbers hold.

Populations are rows in the order in which they are evaluated, connections in that of their targets,
stages (the populations with a factor) from the readout down. A "place" is where something begins in
a flat array. Kernels get tables and few flat arrays: what they call with takes time.
"""

from __future__ import annotations

# Tables "populations" [P, POPULATION_COLUMNS].
SIZE, UNIT, INTO, INTO_END = range(4)
"""Neurons and the place of the first; connections INTO to INTO_END - 1 lead to it."""
KIND, DECAY, THRESHOLD = range(4, 7)
"""The kind of its neurons; integers: 12-bit decay, threshold."""
DERIVATIVE, WIDTH, FACTOR_SHIFT = range(7, 10)
"""The kind of its derivative; integers: width or its table's shift, and the factor's."""
WINDOW, SUMMED, MULTIPLE = 10, 11, 12
"""Floats: the steps after which sums of factors start anew; 1 where synapses need such sums.
Integers: what factors are multiples of, as a power of two."""
MODEL = 13
"""Floats: what else changes in its neurons; of which `real_models` has the equations."""
POPULATION_COLUMNS = 14

PLAIN, FILTERS_CURRENT, RAISES_THRESHOLD = range(3)
"""MODEL: nothing, a synaptic current (CuBa) or a threshold that adapts (ALIF)."""

CLASSES, DISTANCE, REWARD, ONE_FILTER, TWO_FILTERS = range(5)
"""Floats, the objective: classification, regression, reward, spike trains by one filter or two."""

ONLINE, ACCUMULATED, LATE = range(3)
"""When integers learn: at once, at the sample's end, or a step later through the tag."""

SOFT, HARD, INTEGRATOR, LINEAR = range(4)
"""KIND: LIF with a soft and with a hard reset, and the readouts that do not spike."""

NO_DERIVATIVE, RECTANGLE, TRIANGLE, SIGMOID, FAST_SIGMOID = range(5)
"""DERIVATIVE; without one the factor is 0. The integers' sigmoid is a table."""

# Tables "connections" [C, CONNECTION_COLUMNS].
SOURCE, TARGET, DELAY, PRE, POST, FIRST = range(6)
"""A population, or -1 - x for what comes from outside; inputs, outputs, the first output's unit."""
ALWAYS_ON, PLASTIC, WEIGHTS, ROWS = range(6, 10)
"""1 with a row for the always-on unit, after the others; places of [inputs, post] and [inputs]."""
EXPONENT, GATE, CLOSING_GATE, IMPULSE, PHASE = range(10, 15)
"""Integers: of the sums; y3 (1 where products have none) and that which applies tags; of x1."""
MAIN, CORRECTION, OF_WEIGHTS, OF_TAGS = 15, 18, 21, 24
"""Integers: mantissa, right and left shift of the products of x1 and of x0 (mantissa 0 without), of
that which applies a tag and of that which clears it."""
MAP, COUNT, PENDING = 27, 28, 29
"""A row of "maps", DENSE or SHARED_BIAS; the number of weights, and where those that are shared
begin in what waits to be added."""
CONNECTION_COLUMNS = 30

DENSE, SHARED_BIAS = -1, -2
"""MAP of what is no convolution: all to all, or one weight for each channel of a map."""

# Tables "stages" [S, 3] and "feeds" [F, FEED_COLUMNS].
POPULATION, FEED, FEED_END = range(3)
"""Feeds FEED to FEED_END - 1 lead to it; the readout has none."""
SENDER, MATRIX, LIVE, LIVE_TARGET, FEED_MAP = range(5)
"""A population or ERROR; the place of [sending, receiving] or NO_MATRIX; then a connection. With a
row of "maps" the place is that of a fixed convolution's weights."""
FEED_COLUMNS = 5
ERROR, NO_MATRIX = -1, -1

# Table "maps" [M, MAP_COLUMNS], one row for each convolution; `maps` has the equations.
AREA, CHANNELS, MAP_HEIGHT, MAP_WIDTH = range(4)
"""Inputs of a channel; output channels, and rows and columns of their maps."""
PITCH, CORNER, PADDED = range(4, 7)
"""Positions of a padded output map: of a row, before the first output, in all."""
TAPS, JUMP, PHASES = range(7, 10)
"""Weights of a kernel for one channel, from one of its rows to the next of the same phase; the
phases of inputs (1 with stride 1)."""
PLACES = 10
"""Where its tables begin in `places`."""
MAP_COLUMNS = 11
