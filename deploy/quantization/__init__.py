"""From floating point to Loihi's integers: scales, factors, rates."""
