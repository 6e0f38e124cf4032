"""plot.py RESULTS PICTURE: draws the results of `make bench` as ratios to bare python3."""
import json
import sys

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
except ImportError:
    print("no matplotlib: no picture", file=sys.stderr)
    sys.exit()

with open(sys.argv[1]) as file:
    report = json.load(file)
ratio = {(r["part"], r["case"], r["of"], r["way"]): r.get("ratio") for r in report["results"]}
ways = [w for w in report["ways"] if "absent" not in w and w["name"] != "bare"]
panels = [
    (
        "time of a run, one client (p50; less is better)",
        [
            ("print", ("latency", "print", "p50")),
            ("computation", ("latency", "compute", "p50")),
            ("json, re, datetime", ("latency", "import", "p50")),
            ("numpy, pandas,\nmatplotlib", ("latency", "data", "p50")),
        ],
    ),
    (
        "runs of print a second (more is better)",
        [(f"{n} clients", ("throughput", "print", f"{n} clients")) for n in (2, 8, 64)],
    ),
    (
        "what a run takes (less is better)",
        [("CPU", ("cpu", "print", "a run")), ("memory", ("memory", "sleep", "a run"))],
    ),
]
panels = [
    (title, groups)
    for title, groups in panels
    if any(ratio.get((*key, w["name"])) for _, key in groups for w in ways)
]
if not panels:
    print("nothing to draw", file=sys.stderr)
    sys.exit()

figure, axes = plt.subplots(
    1, len(panels), figsize=(12, 4.2), squeeze=False, width_ratios=[len(g) for _, g in panels]
)
width = 0.8 / len(ways)
for axis, (title, groups) in zip(axes[0], panels):
    for i, way in enumerate(ways):
        at = [g + (i - (len(ways) - 1) / 2) * width for g in range(len(groups))]
        heights = [ratio.get((*key, way["name"])) or float("nan") for _, key in groups]
        bars = axis.bar(at, heights, width, label=way["label"].replace("`", ""), color=f"C{i}")
        axis.bar_label(bars, fmt="%.2g", fontsize=6)
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title(title, fontsize=9)
    axis.set_xticks(range(len(groups)), [name for name, _ in groups], fontsize=8)
    axis.tick_params(axis="y", labelsize=8)
axes[0][0].set_ylabel("ratio to bare python3 -I", fontsize=8)
handles, labels = axes[0][0].get_legend_handles_labels()
figure.legend(handles, labels, loc="lower center", ncols=len(ways), fontsize=8, frameon=False)
figure.tight_layout(rect=(0, 0.06, 1, 1))
figure.savefig(sys.argv[2])
