"""What Loihi 2 can hold, as far as it is public: one table of limits, each with its source.

Widths that this project computes with come from `onchip.arithmetic.loihi` and `.rules`; the
sources below are where they can be looked up. A limit whose `value` is None exists on the chip, but
no public source that we know of gives it: what depends on it is reported as unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from onchip.arithmetic.accumulator import MANTISSA_MAX, MANTISSA_MIN
from onchip.arithmetic.loihi import (
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_LIMITS,
    DECAY_UNITY,
    EPOCH_MAX,
    EXPONENT_MAX,
    EXPONENT_MIN,
    IMPULSE_BITS,
    MEMBRANE_BITS,
    MEMBRANE_MAX,
    TAG_BITS,
    THRESHOLD_MAX,
    TRACE_MAX,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_EXPONENT_MIN,
    WEIGHT_LIMITS,
)

BRIEF = "Intel, Taking Neuromorphic Computing to the Next Level with Loihi 2 (2021)"
DAVIES = "Davies et al., Loihi: a neuromorphic manycore processor with on-chip learning (2018)"
CONSTANTS = "lava-nc 0.10.0: lava.magma.core.learning.constants"
PRODUCTS = "lava-nc 0.10.0: lava.magma.core.learning.product_series"
LIF_MODEL = "lava-nc 0.10.0: lava.proc.lif.models"
DENSE_MODEL = "lava-nc 0.10.0: lava.proc.dense.models"
PROJECT = "this project's design"
NOT_PUBLIC = "no public source"

Number = int | float


@dataclass(frozen=True)
class Limit:
    """One limit: the most that fits, or the (least, most), or None where nobody says.

    `unit` is what is counted, `source` where the number is published, `remedy` what to do about a
    network that is beyond it.
    """

    name: str
    value: Number | tuple[Number, Number] | None
    unit: str
    source: str
    remedy: str

    def holds(self, value: Number) -> bool | None:
        """Whether `value` fits; None where the limit is not known. NaN never fits."""
        if self.value is None:
            return None
        low, high = self.value if isinstance(self.value, tuple) else (-float("inf"), self.value)
        return bool(low <= value <= high)

    @property
    def text(self) -> str:
        """The limit in words: "at most 63 steps", "-8..7"."""
        if self.value is None:
            return "not public"
        if isinstance(self.value, tuple):
            return f"{self.value[0]:.6g}..{self.value[1]:.6g} {self.unit}".rstrip()
        return f"at most {self.value:,} {self.unit}".rstrip()


_ASK = "ask the chip's compiler; it alone knows"

_SIZE = (
    Limit("neurocores", 128, "per chip", BRIEF, "use several chips or a smaller network"),
    Limit("neurons", 1_000_000, "per chip", BRIEF, "use several chips or fewer neurons"),
    Limit("synapses", 120_000_000, "per chip", BRIEF, "use several chips or fewer synapses"),
    Limit(
        "neurons per layer",
        8192,
        "per neurocore",
        BRIEF,
        "expect the layer to be spread over several neurocores",
    ),
    Limit("synaptic memory", None, "bytes per neurocore", NOT_PUBLIC, _ASK),
    Limit("fan-in", None, "input axons per neurocore", NOT_PUBLIC, _ASK),
    Limit("fan-out", None, "output axons per neurocore", NOT_PUBLIC, _ASK),
    Limit("graded spike", 32, "bits", BRIEF, "send fewer bits"),
    Limit("synaptic delay", 63, "steps", DENSE_MODEL, "use shorter delays"),
)

_SYNAPSES = (
    Limit("weight", WEIGHT_LIMITS, "", CONSTANTS, "quantize the layer again"),
    Limit(
        "weight exponent",
        (WEIGHT_EXPONENT_MIN, WEIGHT_EXPONENT_MAX),
        "",
        DAVIES,
        "rescale the layer and quantize it again",
    ),
)

_NEURONS = (
    Limit(
        "decay",
        (math.nextafter(1 / (2 * DECAY_UNITY), 1), 1),  # at 1/8192 itself it would round to 0
        "of the potential",
        LIF_MODEL,
        "use a larger decay, or a readout without memory",
    ),
    Limit("integer decay", (0, DECAY_UNITY - 1), "", LIF_MODEL, "quantize the layer again"),
    Limit(
        "threshold mantissa",
        (0, THRESHOLD_MAX),
        "",
        LIF_MODEL,
        "rescale the layer and quantize it again",
    ),
    Limit(
        "bias mantissa",
        BIAS_MANTISSA_LIMITS,
        f"times 2^0..{BIAS_EXPONENT_MAX}",
        LIF_MODEL,
        "lower the bias, or rescale the layer and quantize it again",
    ),
    Limit(
        "input of one step",
        MEMBRANE_MAX,
        f"({MEMBRANE_BITS} bits)",
        LIF_MODEL,
        "lower the weight exponent; a potential that saturates is no longer a sum",
    ),
)

_LEARNING = (
    Limit(
        "learning epoch",
        EPOCH_MAX,
        "steps",
        CONSTANTS,
        "use feedback 'direct' or fewer plastic layers",
    ),
    Limit(
        "trace impulse",
        (1, 2**IMPULSE_BITS - 1),
        "",
        CONSTANTS,
        "plan the learning rate anew",
    ),
    Limit("trace", TRACE_MAX, "", CONSTANTS, "use a smaller impulse or a smaller decay"),
    Limit(
        "trace time constant", None, "steps", NOT_PUBLIC, "ask the chip's compiler; Lava takes any"
    ),
    Limit(
        "rate mantissa",
        (MANTISSA_MIN, MANTISSA_MAX),
        "",
        CONSTANTS,
        "plan the learning rate anew",
    ),
    Limit("rate exponent", (EXPONENT_MIN, EXPONENT_MAX), "", PRODUCTS, "change the learning rate"),
    Limit("rate gate", (1, TRACE_MAX), "", CONSTANTS, "plan the learning rate anew"),
    Limit(
        "tag",
        2**TAG_BITS - 1,
        "",
        CONSTANTS,
        "lower the learning rate, or learn online, where no tag is needed",
    ),
    Limit("products of a rule", None, "per rule", NOT_PUBLIC, _ASK),
    Limit("feedback weight", WEIGHT_LIMITS, "", CONSTANTS, "quantize the feedback again"),
)

LIMITS = {limit.name: limit for limit in (*_SIZE, *_SYNAPSES, *_NEURONS, *_LEARNING)}
"""Name -> limit; the names are the quantities of the findings in `onchip.deploy.checks.network`."""
