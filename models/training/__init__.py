"""Training: updates, checkpoints, evaluation, on one process or many."""
