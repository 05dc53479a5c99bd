"""The training command: options, streams, interruption and failures."""
