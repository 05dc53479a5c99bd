"""Architectures by name, and the settings that go with them."""
