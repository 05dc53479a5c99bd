"""Forward propagation through time (FPTT) with liquid-time-constant spiking neurons, offline.

`surrogate` and `cells` hold the neurons, `scan` their sequence with a gradient written by hand,
`networks` layers with a readout. `optimizer` is FPTT around any optimizer and any module;
`learners` trains in parts (FPTT) or over all steps (BPTT); `tasks` makes the sequences, `config`
and `training` run them, `command_line` is ``python -m onchip.models.fptt``.

Nothing of it deploys: the running means and duals are two more signed variables a synapse, and the
time constants depend on the input (see `onchip.models.description.describe`, which refuses it).

Sources: B. Yin, F. Corradi, S. Bohte, "Accurate online training of dynamical spiking neural
networks through Forward Propagation Through Time", 2021 (arXiv 2112.11231); A. Kag, V. Saligrama,
"Training Recurrent Neural Networks via Forward Propagation Through Time", ICML 2021.
"""
