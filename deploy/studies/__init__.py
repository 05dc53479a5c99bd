"""Studies: one command, or a few in a row, run for every combination of some settings.

`study` says what varies, `study_file` reads it from TOML, `jobs` are the single runs, known by a
digest of their settings; `execution` runs one in a process of its own and keeps its record,
`workers` runs many, on this machine through joblib or on a cluster through Dask, `running` all of
a study that has no record yet. `table` and `figures` show what came of it.
"""
