"""Networks that were trained elsewhere: modules of torch as networks (`from_torch`)."""
