# SPDX-License-Identifier: MIT
"""Pictures of the figures, as SVG: Debian's python3-matplotlib draws them."""

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tangram", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3,
                            "axes.axisbelow": True})
from matplotlib import pyplot                   # noqa: E402

COLOURS = {"tangram": "#1f6f8b", "linux-nbd": "#c8553d"}
WORDS = {"tangram": "Tangram", "linux-nbd": "Linux, swap on nbd"}


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def word_count(path, sizes, local):
    """sizes: {MB: {side: [(part of the footprint, seconds)]}}; local: {MB: seconds of Linux without a limit}"""
    figure, axes = pyplot.subplots(1, len(sizes), figsize=(4.2 * len(sizes), 3.4), squeeze=False)
    for axis, (size, sides) in zip(axes[0], sizes.items()):
        for side, points in sides.items():
            axis.plot([100 * x for x, _ in points], [y for _, y in points], marker="o", color=COLOURS[side], label=WORDS[side])
        axis.axhline(local[size], color="grey", linestyle="--", label="Linux, all local")
        axis.set_xscale("log", base=2)
        ticks = sorted({100 * x for points in sides.values() for x, _ in points})
        axis.set_xticks(ticks, ["%g" % tick for tick in ticks])
        axis.set_ylim(bottom=0)
        axis.set(title="word_count, %d MB, one thread" % size, xlabel="local memory, % of the footprint", ylabel="seconds")
        axis.legend()
    save(figure, path)


def remote_fault(path, patterns, hows, pages_s, sides):
    """pages_s: {(side, pattern, how, threads): pages a second}"""
    figure, axes = pyplot.subplots(1, 2, figsize=(8.4, 3.4), sharey=True)
    names = [(pattern, how) for pattern in patterns for how in hows]
    for axis, threads in zip(axes, (1, 4)):
        for n, side in enumerate(sides):
            axis.bar([i + 0.4 * n - 0.2 for i in range(len(names))], [pages_s[(side,) + name + (threads,)] for name in names], 0.38,
                     color=COLOURS[side], label=WORDS[side])
        axis.set_xticks(range(len(names)), ["%s\n%s" % (pattern if pattern in ("seq", "random") else "stride " + pattern, how)
                                            for pattern, how in names], fontsize=7)
        axis.set(title="%d thread%s" % (threads, "s"[:threads > 1]), ylabel="pages/s")
    axes[1].legend()
    save(figure, path)
