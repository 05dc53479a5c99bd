"""Neuron models: one dataclass and one pure step function each."""
