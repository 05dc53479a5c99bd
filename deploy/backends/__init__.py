"""Executions of a network by name, their results, and parity between them."""
