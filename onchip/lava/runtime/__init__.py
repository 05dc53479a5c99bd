"""Two runtimes for Lava's compiled networks, behind `onchip.lava.runtime.supervisor.Supervisor`.

`one_process` runs every Python process model in the caller's own OS process: `build` makes the
models and connects them by `channels` and `pipes`, `ports` and `members` leave out what Lava does
at each step for nothing, `steps` are the phases, `scheduler` lets a model wait in the middle of
one, `variables` reads and writes Vars. `processes` supervises Lava's own runtime, one OS process
per Lava process.
"""
