"""Integer products of inputs and third factors, each floored by itself, summed over positions.

`onchip.engine.position_sums` has the sums; here they are those of Lava's layout, group by group.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.engine.position_sums import encoded, summed_products
from onchip.lava.fast.convolution import Patches

Array = np.ndarray


def position_sums(
    pre: Array, products: Sequence[Product], posts: Sequence[Array], patches: Patches
) -> list[Array]:
    """Per product: the sum over positions of ((pre post) >> right) << left, [out, taps] int64.

    `pre` (x, y, in) are the presynaptic factors multiplied, 0 or more; `posts` (x, y, out), one for
    each product, its mantissa and third factors multiplied. Both hold less than 2^24.
    """
    codes, values = encoded(pre)
    coded = patches.of(codes)
    groups, positions, _ = coded.shape
    flat = [post.reshape(positions, groups, -1).astype(np.int32, copy=False) for post in posts]
    totals = [
        summed_products(products, coded[g], values, [post[:, g] for post in flat])
        for g in range(groups)
    ]
    return [np.concatenate(of_groups, axis=1).T for of_groups in zip(*totals, strict=True)]
