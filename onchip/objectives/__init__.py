"""The losses and their errors, the factor that is broadcast."""
