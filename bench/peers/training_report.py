"""Turns the numbers of training into Markdown tables."""

import table


def _rate(row, turn):
    """Tokens a second of one round, padding not counted."""
    return row["tokens"][turn] / sum(row["rounds"][turn]) * 1e3


def _best(row):
    return max(_rate(row, turn) for turn in range(len(row["rounds"])))


def _step_ms(row):
    return min(sum(turn) / len(turn) for turn in row["rounds"])


def _groups(rows):
    groups = {}
    for row in rows:
        groups.setdefault((row["model"], row["cell"], row["threads"]), []).append(row)
    return groups


def _backend(row):
    return table.TRAINERS[row["backend"]]


def _peers(group, ours):
    return [row for row in group if "error" not in row and _backend(row).engine != "linnet"
            and _backend(row).precision == _backend(ours).precision]


def _median_of_rounds(ours, peer):
    ratios = sorted(_rate(ours, turn) / _rate(peer, turn) for turn in range(len(ours["rounds"])))
    return ratios[len(ratios) // 2]


def summary_text(rows):
    lines = []
    for (model, cell, _), group in _groups(rows).items():
        for ours in group:
            peers = _peers(group, ours)
            if "error" in ours or _backend(ours).engine != "linnet" or not peers:
                continue
            fastest = max(peers, key=_best)
            memory = ours["peak_kb"] / min(peer["peak_kb"] for peer in peers)
            fp32 = _backend(ours).precision == "fp32"
            speed_goal = table.TRAINING_GOALS[cell] if fp32 else table.TRAINING_BF16_GOAL
            lines.append([model, cell, f"`{ours['backend']}`", f"`{fastest['backend']}`",
                          f"{_best(ours) / _best(fastest):.2f}",
                          f"{_median_of_rounds(ours, fastest):.2f}",
                          "-" if _backend(ours).option else speed_goal, f"{memory:.0%}",
                          f"≤ {table.TRAINING_MEMORY_GOALS[_backend(ours).option]:.0%}"])
    if not lines:
        return ""
    head = ["model", "step", "", "fastest peer", "best", "median", "goal", "memory", "goal"]
    return ("## Training: summary\n\nTokens a second over those of the fastest peer: of the best "
            "rounds, and the median of the ratios of each\nround; peak memory as a share of the "
            "least of the peers'.\n\n" + _table(head, lines))


def numbers_text(rows):
    lines = []
    for (model, cell, threads), group in _groups(rows).items():
        for row in group:
            first = [model, cell, threads, f"`{row['backend']}`"]
            if "error" in row:
                lines.append(first + ["-", "-", "-", "-", row["error"]])
                continue
            lines.append(first + [f"{_step_ms(row):.0f}", f"{_best(row):.0f}",
                                  f"{row['peak_kb'] / 1000:.0f}", f"{row['difference']:.0e}",
                                  _backend(row).note])
    head = ["model", "step", "threads", "backend", "ms", "tokens/s", "MB", "loss", "settings"]
    return ("## Training\n\nMilliseconds of a step and tokens a second, padding not counted, of the "
            "best round; peak resident\nmemory; the largest difference of the first losses, without "
            "dropout, to torch in FP32.\n\n" + _table(head, lines))


def _table(head, rows):
    import report

    return report.markdown_table(head, rows)


def render(rows):
    return "\n".join(part for part in (summary_text(rows), numbers_text(rows)) if part)
