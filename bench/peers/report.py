"""Turns the numbers of a run into Markdown tables."""

import math

import generation_report
import table
import training_report


def quantile(values, share):
    """The value below which `share` of the sorted values lie."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def ms(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def ratio(value):
    return f"{value:.2f}"


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def times(row):
    return [t for turn in row["rounds"] for t in turn]


def paired(peer, ours):
    """The median over the rounds of the peer's time over ours, each the least of its visit."""
    return quantile([min(a) / min(b) for a, b in zip(peer["rounds"], ours["rounds"])], 0.5)


def title(group):
    model, threads = group
    return f"{model}, {threads} thread{'s' if threads > 1 else ''}"


class Latency:
    """The latency rows of a run, by (model, threads), cell and backend."""

    def __init__(self, rows):
        self.groups = {}
        for row in rows:
            cells = self.groups.setdefault((row["model"], row["threads"]), {})
            cells.setdefault(row["cell"], {})[row["backend"]] = row

    def good(self, group, cell):
        """Rows of a cell whose answers were right."""
        return {k: v for k, v in self.groups[group][cell].items() if "error" not in v}

    def backends(self, group):
        return list(next(iter(self.groups[group].values())))

    def peers(self, group, cell, ours):
        """The peers' rows of a cell with the number format of our backend."""
        precision = table.BACKENDS[ours].precision
        return {k: v for k, v in self.good(group, cell).items()
                if table.BACKENDS[k].engine != "linnet"
                and table.BACKENDS[k].precision == precision}


def latency_text(latency):
    text = ["## Latency\n\nMilliseconds from ids to logits: min / p25 / median of all calls. MB:\n"
            "peak resident memory after all cells. The fastest of each number format is bold.\n"]
    for group in latency.groups:
        cells = latency.groups[group]
        rows, wrong = [], []
        for name in latency.backends(group):
            row, peak = [f"`{name}`"], None
            for cell in cells:
                entry = cells[cell][name]
                peak = entry.get("peak_kb") or peak
                if "error" in entry:
                    row.append("-")
                    wrong.append(f"- `{name}` {cell}: {entry['error']}\n")
                    continue
                all_times, best = times(entry), _best(latency, group, cell, name)
                least = f"**{ms(min(all_times))}**" if best else ms(min(all_times))
                row.append(f"{least} / {ms(quantile(all_times, .25))} / "
                           f"{ms(quantile(all_times, .5))}")
            rows.append(row + [f"{peak / 1000:.0f}" if peak else "-"])
        text.append(f"**{title(group)}**\n\n" +
                    markdown_table(["backend", *cells, "MB"], rows) + "".join(wrong))
    return "\n".join(text)


def answers_text(latency):
    """What each backend's answers lose."""
    worst = {}
    for (model, _), cells in latency.groups.items():
        for rows in cells.values():
            for name, row in rows.items():
                if "cosine" in row:
                    cosine, difference = worst.get((model, name), (1, 0))
                    worst[model, name] = (min(cosine, row["cosine"]),
                                          max(difference, row["difference"]))
    rows = [[model, f"`{name}`", f"{cosine:.6f}", f"{difference:.1e}", table.BACKENDS[name].note]
            for (model, name), (cosine, difference) in worst.items()]
    return ("## Answers\n\nAgainst torch in FP32, each sentence alone: the least cosine of a cell's "
            "logits, and the\nlargest difference as a share of the largest logit.\n\n" +
            markdown_table(["model", "backend", "cosine", "difference", "settings"], rows))


def _best(latency, group, cell, name):
    precision = table.BACKENDS[name].precision
    same = [min(times(v)) for k, v in latency.good(group, cell).items()
            if table.BACKENDS[k].precision == precision]
    return min(times(latency.groups[group][cell][name])) == min(same)


def ratios_text(latency):
    """The peers' times over ours; above 1 linnet is faster."""
    text = ["## Ratios\n\nThe peer's time over linnet's (above 1: linnet is faster): ratio of the\n"
            "least times, and in brackets the median of the ratios of each round.\n"]
    for group in latency.groups:
        for ours in latency.backends(group):
            if table.BACKENDS[ours].engine != "linnet":
                continue
            rows = _ratio_rows(latency, group, ours)
            if rows:
                text.append(f"**{title(group)}, `{ours}`**\n\n" +
                            markdown_table(["peer", *latency.groups[group]], rows))
    return "\n".join(text) if len(text) > 1 else ""


def _ratio_rows(latency, group, ours):
    cells = latency.groups[group]
    names = [n for n in latency.backends(group)
             if any(n in latency.peers(group, cell, ours) for cell in cells)]
    rows = [[f"`{name}`"] for name in names] + [["**fastest**"]]
    for cell in cells:
        mine, peers = latency.good(group, cell).get(ours), latency.peers(group, cell, ours)
        values = {n: min(times(p)) / min(times(mine)) for n, p in peers.items()} if mine else {}
        for row, name in zip(rows, names):
            row.append(f"{ratio(values[name])} ({ratio(paired(peers[name], mine))})"
                       if name in values else "-")
        rows[-1].append(f"**{ratio(min(values.values()))}**" if values else "-")
    return rows


def summary_text(latency, cold):
    """How linnet stands to the fastest peer of each cell, beside the goals."""
    rows = []
    for ours in [n for n, backend in table.BACKENDS.items() if backend.engine == "linnet"]:
        collected = _cell_ratios(latency, ours) | _cold_ratios(cold, ours)
        goals = table.GOALS.get(ours, {})
        for what, values in collected.items():
            if values:
                value = geomean(values) if what.endswith("geomean") else min(values)
                shown = f"{value:.6f}" if what.startswith("cosine") else ratio(value)
                goal = f"{goals[what]}" if what in goals else "-"
                rows.append([f"`{ours}`", what, shown, goal])
    if not rows:
        return ""
    return ("## Summary\n\nThe fastest peer's time, or the smallest peer's memory, over "
            "linnet's.\n\n" + markdown_table(["backend", "what", "ratio", "goal"], rows))


def _cell_ratios(latency, ours):
    """What to collect: one ratio for each cell, model and number of threads."""
    full, short, packed, padded, dynamic, cosine = [], [], [], [], [], []
    for group, cells in latency.groups.items():
        for cell in cells:
            mine = latency.good(group, cell).get(ours)
            values = {name: min(times(peer)) / min(times(mine))
                      for name, peer in latency.peers(group, cell, ours).items()} if mine else {}
            cosine += [mine["cosine"]] if mine else []
            loose = [v for n, v in values.items() if table.BACKENDS[n].files != "static"]
            dynamic += [min(loose)] if loose and "int8" in ours and cell in table.FULL_LENGTH else []
            packs = [v for n, v in values.items() if table.BACKENDS[n].engine == "ctranslate2"]
            others = [v for n, v in values.items() if table.BACKENDS[n].engine != "ctranslate2"]
            if values and cell in table.FULL_LENGTH:
                full.append(min(values.values()))
                short += full[-1:] if cell == "1x16" else []
            elif values:
                packed += packs
                padded += [min(others)] if others else []
    return {"full length, geomean": full, "full length, worst cell": full, "1x16, geomean": short,
            "ragged against CTranslate2, worst": packed,
            "ragged against the fastest other, worst": padded,
            "against dynamic INT8, geomean": dynamic, "cosine, worst": cosine}


def _cold_ratios(cold, ours):
    seconds, memory = [], []
    for model in {row["model"] for row in cold}:
        rows = {row["backend"]: row for row in cold if row["model"] == model and "error" not in row}
        same = [row for name, row in rows.items() if table.BACKENDS[name].engine != "linnet" and
                table.BACKENDS[name].precision == table.BACKENDS[ours].precision]
        if ours in rows and same:
            seconds.append(min(min(r["seconds"]) for r in same) / min(rows[ours]["seconds"]))
            memory.append(min(min(r["peak_kb"]) for r in same) / min(rows[ours]["peak_kb"]))
    return {"cold start, worst": seconds, "peak memory at 1x16, worst": memory}


def cold_text(rows):
    cells = [[r["model"], f"`{r['backend']}`", *(["-", "-", "-", r["error"]] if "error" in r else [
        f"{min(r['seconds']):.3f}", f"{quantile(r['seconds'], .5):.3f}",
        f"{min(r['peak_kb']) / 1000:.0f}", ""])] for r in rows]
    return ("## Cold start\n\nFrom starting the process to its first logits "
            f"(1x16, {title(('files in memory', rows[0]['threads']))}),\n"
            "and its peak resident memory then.\n\n" +
            markdown_table(["model", "backend", "min s", "median s", "MB", ""], cells))


def invariance_text(rows):
    def shown(value):
        return "same bits" if value == 0 else f"{value:.1e}"

    cells = [[r["model"], f"`{r['backend']}`", *(["-", "-", r["error"]] if "error" in r else [
        shown(r["ragged"]), shown(r["equal"]), shown(r["threads"])])] for r in rows]
    return ("## Batch invariance\n\nLargest difference of a sentence's logits to those it has alone "
            "on one thread.\n\n" + markdown_table(
                ["model", "backend", "in the ragged batch", "in 8 equal lengths", "on 2 threads"],
                cells))


def sizes_text(rows):
    cells = [[r["model"], f"`{r['backend']}`", f"{r['model_bytes'] / 1e6:.1f}",
              f"{r['engine_bytes'] / 1e6:.1f}"] for r in rows]
    return ("## Size on disk\n\nMB (10^6 bytes): the model's files, and the engine itself without "
            "what it depends on.\n\n" + markdown_table(["model", "backend", "model", "engine"], cells))


def tokenizers_text(rows):
    def key(row):
        return row["vocabulary"], row["threads"], table.TOKENIZERS[row["tokenizer"]].kind

    peers = {}
    for r in rows:
        if "error" not in r and table.TOKENIZERS[r["tokenizer"]].engine != "linnet":
            peers[key(r)] = max(peers.get(key(r), 0), max(r["mb_per_s"]))
    cells = []
    for r in rows:
        first = [r["vocabulary"], f"`{r['tokenizer']}`", r["threads"], key(r)[2]]
        if "error" in r:
            cells.append(first + ["-", "-", r["error"]])
            continue
        best = max(r["mb_per_s"])
        cells.append(first + [f"{best:.1f}", f"{quantile(r['mb_per_s'], .5):.1f}",
                              ratio(best / peers[key(r)]) if key(r) in peers else "-"])
    return ("## Tokenizers\n\nMB of text a second, every text once; ratio to the fastest peer of "
            "the same kind and threads.\n\n" + markdown_table(
                ["vocabulary", "tokenizer", "threads", "kind", "best", "median", "ratio"], cells))


def render(data):
    machine = data["machine"]
    text = ["# linnet beside its peers\n",
            f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, pages of "
            f"{machine['page_bytes']} bytes. linnet {machine['commit']}.\n",
            "Versions: " + ", ".join(f"{k} {v}" for k, v in data["versions"].items()) + ".\n",
            f"```sh\n{data['command']}\n```\n"]
    if data["probes"]:
        text.append("One core before each part, " + data["probes"][0]["isa"] + ": " + "; ".join(
            f"{p['clock_ghz']:.2f} GHz, {p['peak_gflops']:.0f} GFLOP/s"
            + (f", {p['memory_gbytes']:.0f} GB/s" if "memory_gbytes" in p else "")
            for p in data["probes"]) + ".\n")
    if data.get("latency"):
        latency = Latency(data["latency"])
        text += [summary_text(latency, data.get("cold", [])), ratios_text(latency),
                 latency_text(latency), answers_text(latency)]
    if data.get("generation"):
        text.append(generation_report.render(data["generation"]))
    if data.get("training"):
        text.append(training_report.render(data["training"]))
    for part, write in [("cold", cold_text), ("invariance", invariance_text),
                        ("sizes", sizes_text), ("tokenizers", tokenizers_text)]:
        if data.get(part):
            text.append(write(data[part]))
    return "\n".join(part for part in text if part)
