"""Networks to and from the Neuromorphic Intermediate Representation (NIR).

`conventions` says what each framework means by NIR's parameters, `neurons` translates them,
`writing` and `reading` the graphs, `files` puts them in files, `drawing` draws them.
"""
