"""Training spiking networks in PyTorch: OTTT and BPTT, architectures, datasets."""
