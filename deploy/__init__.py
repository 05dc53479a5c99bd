"""Files, backends, parity and reports for learned spiking networks, and the `onchip` command."""
