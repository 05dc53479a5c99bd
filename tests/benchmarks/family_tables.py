"""Tables of what the rules of the family learn."""

from __future__ import annotations

from typing import Any

from table_text import results, table


def spike_trains() -> str:
    """Trials until every output's spikes were matched."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for run in results("family")["trains"]:
        rows.setdefault(run["name"], []).append(run)
    lines = []
    for name, runs in rows.items():
        trials = [trial for run in runs for trial in run["trials"]]
        found = [trial for trial in trials if trial is not None]
        lines.append(
            [
                name,
                f"`{runs[0]['rule']}`",
                f"{len(found)} of {len(trials)}",
                f"{min(found)} to {max(found)}" if found else "",
                str(runs[0]["limit"]),
                f"{max(run['distance'] for run in runs):.3f}",
            ]
        )
    heading = [
        "network",
        "rule",
        "outputs matched, all seeds",
        "after trials",
        "at most",
        "distance left, largest",
    ]
    return table(heading, lines)


def family_tasks() -> str:
    """Rewards and a sine, learned in Lava."""
    content = results("family")
    bandit, late, sine = content["bandit"], content["delayed_reward"], content["sine"]
    lines = [
        ["two-armed bandit, better arm chosen, in the first 10 trials",
         percents(bandit["better_arm_in_the_first_10_trials"])],
        ["before the arms change places", percents(bandit["better_arm_before_the_change"])],
        ["in the 10 trials after that", percents(bandit["better_arm_in_10_trials_after_it"])],
        [f"at the end of {bandit['trials']} trials", percents(bandit["better_arm_at_the_end"])],
        ["reward 15 steps behind its cue, right choices before", percents(late["right_before"])],
        [f"in the last 50 of {late['trials']} trials", percents(late["right_at_the_end"])],
        ["sine, mean squared error before", numbers(sine["error_before"])],
        [f"after {sine['trials']} trials (silence: 0.5)", numbers(sine["error_at_the_end"])],
    ]  # fmt: skip
    return table(["in Lava, the network as one process", "mean (least to largest)"], lines)


def percents(entry: dict[str, Any]) -> str:
    """Shares of three seeds."""
    return "{:.0f} % ({:.0f} to {:.0f})".format(
        *(100 * entry[name] for name in ("mean", "least", "largest"))
    )


def numbers(entry: dict[str, Any]) -> str:
    """Errors of three seeds."""
    return f"{entry['mean']:.3g} ({entry['least']:.3g} to {entry['largest']:.3g})"
