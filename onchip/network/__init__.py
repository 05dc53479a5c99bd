"""The network: what it is made of, checked when it is made."""
