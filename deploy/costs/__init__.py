"""What a learning network costs: operations counted, memory, cores, and estimates of energy."""
