"""Rank-one updates that wait until their weights are read.

An input's weights w change at every step by -eta a[n] g[n], with a trace a that only decays between
two spikes. What is due at step n since the last spike, in step m, is one difference of sums:

    -eta a[m] sum_{q=m..n-1} lambda^(q-m) g[q]  =  -eta a[m] lambda^-(m-k) (P[n] - P[m]),
    P[n] = sum_{q=k..n-1} lambda^(q-k) g[q]

so the work follows the spikes. The sums start anew (k, the base, moves on) after R steps, when
lambda^R is `SMALLEST_POWER`: the difference would lose its digits otherwise. With updates that act
one step late (delay 1) the weights that step n reads have the updates up to n - 2.

Arrays by input are those of one connection, whose outputs begin with the neuron `first`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.real_layout import ABSENT
from onchip.engine.compiled.real_rows import (
    add_scaled,
    catch_up,
    catch_up_and_send,
    catch_up_and_send_two,
    dot,
    send_and_catch_up,
    send_back,
)

Array = np.ndarray


@inner
def send_lazily(
    n: int, base: int, delay: int, first: int, rate: Any, inputs: Array, values: Array,
    powers: Array, inverses: Array, prefix: Array, current: Array, weights: Array, trace: Array,
    last: Array, old: Array, members: Array, count: int,
) -> int:  # fmt: skip
    """current += w x of each of the `inputs`, after their pending updates; x are the `values`.

    The traces take the values. Returns the number of members.
    """
    post = current.size
    upper = prefix[n - base, first : first + post]
    middle = prefix[max(n - base - delay, 0), first : first + post]
    q = 0
    while q < inputs.size:
        i, value = inputs[q], values[q]
        if delay == 0 and q + 1 < inputs.size:
            other = inputs[q + 1]
            if ABSENT < last[i] < n and ABSENT < last[other] < n:  # two rows at a time
                m, k = last[i], last[other]
                catch_up_and_send_two(
                    weights[i * post : (i + 1) * post],
                    weights[other * post : (other + 1) * post],
                    -rate * trace[i] * inverses[m - base],
                    -rate * trace[other] * inverses[k - base],
                    upper,
                    prefix[m - base, first : first + post],
                    prefix[k - base, first : first + post],
                    current,
                    value,
                    values[q + 1],
                )
                last[i], old[i], trace[i] = n, 0, trace[i] * powers[n - m] + value
                last[other], old[other] = n, 0
                trace[other] = trace[other] * powers[n - k] + values[q + 1]
                q += 2
                continue
        q += 1
        row, m = weights[i * post : (i + 1) * post], last[i]
        last[i] = n
        old[i] = 0
        if m == ABSENT:
            members[count] = i
            count += 1
            trace[i] = value
            add_scaled(current, row, value)
            continue
        scale = -rate * trace[i] * inverses[m - base]
        lower = prefix[m - base, first : first + post]
        if m == n:
            add_scaled(current, row, value)
        elif delay:
            send_and_catch_up(row, scale, upper, middle, lower, current, value)
            old[i] = scale
        else:
            catch_up_and_send(row, scale, upper, lower, current, value)
        trace[i] = trace[i] * powers[n - m] + value
    return count


@inner
def send_back_live(
    n: int, base: int, delay: int, first: int, rate: Any, sent: Array, signal: Array,
    inverses: Array, prefix: Array, dots: Array, weights: Array, trace: Array, last: Array,
    old: Array, members: Array, count: int,
) -> None:  # fmt: skip
    """signal += W^T sent with the weights as step n read them.

    What is pending in them is not applied: it is a difference of sums too, of `sent` with the sums
    of factors.
    """
    send_back(sent, signal, weights)
    post, seen = sent.size, max(n - base - delay, 0)
    for k in range(n - base + 1 if count > 0 else 0):
        dots[k] = dot(prefix[k, first : first + post], sent)
    later = dots[seen] - dots[min(seen + 1, n - base)]
    due = dots[seen]
    for k in range(n - base + 1 if count > 0 else 0):
        dots[k] = -rate * inverses[k] * (due - dots[k])
    for q in range(count):
        i = members[q]
        if i >= signal.size:  # the always-on unit has no error
            continue
        if last[i] < n:
            signal[i] += trace[i] * dots[last[i] - base]
        else:  # it may have been caught up further than the step may see
            signal[i] += old[i] * later


@inner
def apply_members(
    n: int, base: int, first: int, post: int, rate: Any, inverses: Array, prefix: Array,
    weights: Array, trace: Array, last: Array, members: Array, count: int,
) -> None:  # fmt: skip
    """Make all updates of factors before step n."""
    upper = prefix[n - base, first : first + post]
    for q in range(count):
        i = members[q]
        m = last[i]
        if m < n:
            scale = -rate * trace[i] * inverses[m - base]
            lower = prefix[m - base, first : first + post]
            catch_up(weights[i * post : (i + 1) * post], scale, upper, lower)


@inner
def age_members(
    base: int, nothing: Any, powers: Array, trace: Array, last: Array, members: Array, count: int
) -> int:
    """The traces as they are at step `base`; forgets those of which nothing is left.

    Returns the number of members.
    """
    kept = 0
    for q in range(count):
        i = members[q]
        trace[i] *= powers[base - last[i]]
        last[i] = base
        if abs(trace[i]) <= nothing:
            last[i] = ABSENT
        else:
            members[kept] = i
            kept += 1
    return kept
