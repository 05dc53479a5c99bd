"""Networks in Loihi 2's integers: arithmetic, specification and the integer engine.

| module                | what it holds                                                      |
|-----------------------|--------------------------------------------------------------------|
| `arithmetic`          | widths, decays, saturation, traces, rounding                       |
| `neurons`             | integer LIF and readouts, one step each                            |
| `surrogates`          | surrogate derivatives in 7 bits                                    |
| `losses`              | the error of the instantaneous loss in 7 bits and a sign           |
| `rules`               | products of a learning rule: the accumulator and its shifts        |
| `rates`               | learning rates as mantissa, exponent and gate                      |
| `synapses`            | plastic synapses, equal to Lava's stock `LearningDense`            |
| `plasticity`          | from a layer and its schedule to plastic synapses                  |
| `layer_spec`, `spec`  | the integers of a layer, of a network and of its learning          |
| `layers`              | one layer's step and factor, for the engine and the Lava processes |
| `connections`, `engine` | `FixedEngine`: runs and learns a `FixedNetworkSpec`              |

Everything is whole numbers of NumPy inside; the widths are checked where values enter.
"""
