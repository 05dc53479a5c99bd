"""The table of what predictions take, from tests/benchmarks/results/runs.json."""

from __future__ import annotations

from table_text import ratios, results


def predictions() -> str:
    """Times of predictions by kernels against NumPy steps."""
    content = results("runs")
    title = (
        "Predictions by compiled kernels against NumPy, one BLAS thread (CPU time of a sample of "
        "10 steps, in turn; the share of inputs that spike is named):"
    )
    limits = content["largest_share"]
    end = " ".join(
        f"In {words} kernels run one sample where up to {limits[key][0]:.0%} of its inputs spike, "
        f"and several up to {limits[key][1]:.0%}."
        for key, words in (("float64", "floating point"), ("integers", "integers"))
    )
    return f"{title}\n\n{ratios(content['rows'])}\n\n{end}"
