"""Train a network from the command line, on one process or on many.

    torchrun --nproc-per-node 4 -m onchip.models --dataset digits-dvs --model mlp \
        --method ottt_a --out checkpoint.pt

Without torchrun, `python -m onchip.models ...` is the same on one process. `--batch-size` counts
the samples of all processes together, so that their number does not change what is learned. The
checkpoint, and the best one beside it, are written after every epoch; `--resume` goes on from it.
Every process holds the whole data set in memory. Behind torchrun the option `--log` must be written
`--csv-log`: torchrun takes any `--log` for a short form of its own options.
"""

if __name__ == "__main__":
    from onchip.waiting import wait_passively

    wait_passively()  # before torch is imported
    from onchip.models.cli.command_line import leave, main

    leave(main())
