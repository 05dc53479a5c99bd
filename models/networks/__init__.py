"""Spiking networks in PyTorch: layers, connections and their gradients."""
