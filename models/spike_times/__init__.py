"""Learning by spike times (Mostafa 2018): neurons that fire at most once, at a time in closed form.

The equation is in `onchip.models.spike_times.closed_form`; `network` stacks layers of it,
`learning` has the loss, the costs and the trainer, `events` executes a network
spike by spike in NumPy, `tasks` has the temporal XOR and the latency-coded digits.

Source: Mostafa, "Supervised learning based on temporal coding in spiking neural networks", IEEE
Transactions on Neural Networks and Learning Systems 29 (2018).
"""
