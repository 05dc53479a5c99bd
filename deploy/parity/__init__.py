"""Parity: several executions of one network on the same samples, compared step by step."""
