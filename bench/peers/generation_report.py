"""Turns the numbers of language models into Markdown tables."""

import table


def _title(row):
    return f"{row['model']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}"


def best(row, cell):
    """The least ms: of the first token where that is all, else of a step. None if not measured."""
    if "error" in row or cell not in row["cells"]:
        return None
    which = 0 if table.GENERATIONS[cell][2] == 1 else 1
    return min(times[which] for times in row["cells"][cell])


def _shown(row, cell):
    ms = best(row, cell)
    if ms is None:
        return "-"
    count, _, new = table.GENERATIONS[cell]
    return f"{ms:.1f} ms" if new == 1 else f"{count * 1e3 / ms:.1f}"


def _share(row, cell):
    """Weights that a step has to read a second, as a share of the linear reads beside it."""
    ms, backend = best(row, cell), table.GENERATORS[row["backend"]]
    if ms is None or cell not in row.get("memory_gbytes", {}):
        return None
    gbytes = table.STEP_WEIGHTS[row["model"]] * table.WEIGHT_BYTES[backend.precision] / ms * 1e-6
    return gbytes / row["memory_gbytes"][cell]


def groups_of(rows):
    groups = {}
    for row in rows:
        groups.setdefault(_title(row), []).append(row)
    return groups


def _table(head, rows):
    import report

    return report.markdown_table(head, rows)


def _row_texts(group, cells):
    for row in group:
        share = _share(row, "decode, batch 1")
        yield [f"`{row['backend']}`", *(_shown(row, cell) for cell in cells),
               "-" if share is None else f"{share:.0%}",
               *(["-", "-"] if "error" in row else
                 [f"{row['peak_kb'] / 1000:.0f}", f"{row['load_seconds']:.2f}"]),
               f"{row['model_bytes'] / 1e6:.0f}"]


def numbers_text(rows):
    text = ["## Generation\n\nThe first token of a prompt of so many (`prefill`), and tokens a second "
            "of all sequences behind it (`decode`):\nthe best round. Share: bytes of the weights that "
            "a step reads, at batch 1, of the linear reads\nof as many threads that were measured "
            "beside it. MB: the most memory resident in a process that loads\nthe model and "
            "generates 129 tokens behind a prompt of 128, no more. Load: from starting the\nprocess to "
            "its first token. Size: of the files.\n"]
    for title, group in groups_of(rows).items():
        cells = [c for c in table.GENERATIONS if any(c in row["cells"] for row in group)]
        head = ["backend", *cells, "share", "MB", "load s", "size MB"]
        text.append(f"**{title}**\n\n" + _table(head, _row_texts(group, cells)) + "".join(
            f"\n`{row['backend']}`: {row['error']}\n" for row in group if "error" in row))
    return "\n".join(text)


def answers_text(rows):
    cells = [[_title(row), f"`{row['backend']}`", f"{row['cosine']:.6f}", f"{row['difference']:.1e}",
              f"{row['same_tokens']:.0%}", table.GENERATORS[row["backend"]].note]
             for row in rows if "error" not in row]
    return ("Against torch in FP32: logits behind a prompt of 128, and the share of 129 greedy tokens "
            "before the first other one.\n\n" + _table(
                ["", "backend", "cosine", "difference", "same tokens", "settings"], cells))


def _fastest(group, ours, cell):
    """The least ms of the peers in the number format of our row."""
    precision = table.GENERATORS[ours["backend"]].precision
    times = [best(row, cell) for row in group
             if table.GENERATORS[row["backend"]].precision == precision
             and table.GENERATORS[row["backend"]].engine != "linnet"]
    return min((t for t in times if t is not None), default=None)


def summary_text(rows):
    lines = []
    for title, group in groups_of(rows).items():
        for ours in group:
            backend = table.GENERATORS[ours["backend"]]
            if backend.engine == "linnet" and "error" not in ours:
                lines += _summary(title, group, ours, backend.precision)
    if not lines:
        return ""
    return ("## Generation: summary\n\nThe fastest peer's time over linnet's, in the same number "
            "format.\n\n" + _table(["", "backend", "what", "value", "goal"], lines))


def _summary(title, group, ours, precision):
    goals = table.GENERATION_GOALS.get(precision, {})
    first = [title, f"`{ours['backend']}`"]
    for cell in table.GENERATIONS:
        mine, peer = best(ours, cell), _fastest(group, ours, cell)
        if mine is not None and peer is not None:
            yield first + [cell, f"{peer / mine:.2f}", goals.get(cell.split(",")[0].split()[0], "-")]
    share = _share(ours, "decode, batch 1")
    if share is not None:
        yield first + ["share of linear reads", f"{share:.2f}", goals.get("share", "-")]
    one, many = best(ours, "decode, batch 1"), best(ours, "decode, batch 16")
    if one is not None and many is not None:
        yield first + ["batch 16 over batch 1", f"{16 * one / many:.1f}", table.BATCH_16_GOAL]
    least = table.STEP_WEIGHTS[ours["model"]] * table.WEIGHT_BYTES[precision] + table.CACHE_BYTES
    yield first + ["peak memory over weights and cache", f"{ours['peak_kb'] * 1024 / least:.2f}",
                   f"≤ {table.MEMORY_GOAL}"]


def render(rows):
    return "\n".join(part for part in (summary_text(rows), numbers_text(rows), answers_text(rows))
                     if part)
