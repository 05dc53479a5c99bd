"""The network lowered for a machine: which step computes what, products, rates."""
