"""From trained networks to their parts: layers of a chain, populations and connections of a graph.

`onchip.models.description` is what to call; `layers` writes layers with what lies before them,
`folding` moves that into weights, `parts` collects a graph, `feedback` and `residual` describe the
networks of `onchip.models.architectures` that are no chains.
"""
