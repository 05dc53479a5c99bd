"""The three-factor rule: traces, gradients, and how the error is fed back."""
