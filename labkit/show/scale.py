"""Two pictures of scale: a burst over time, and what memory does to time and cost."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labkit.insight.burst import Burst
from labkit.insight.cost import MB_FOR_A_PROCESSOR, cost_of_photos, lambda_ms
from labkit.show.monitor import COLOURS, GREY
from labkit.show.picture import Picture
from labkit.show.plot import drawn

DASHES = ("-", "--", ":", "-.")
MEMORY_SIZES_MB = (128, 192, 256, 384, 512, 768, 1024, 1536, 1769, 2560, 3538, 5120)
A_MILLION = 1_000_000


def draw_burst(burst: Burst) -> Picture:
    """Queue depth and invocations at the same time, over the seconds of a burst."""
    figure = Figure(figsize=(10.4, 3.1), layout="constrained")
    depth, running = figure.subplots(1, 2)
    times = [sample.seconds for sample in burst.samples]
    for k, name in enumerate(burst.functions):
        values = [sample.depths[k] for sample in burst.samples]
        depth.plot(times, values, DASHES[k % 4], label=name, color=COLOURS[k % 3], linewidth=1.8)
    depth.set_title("Messages in each queue, in flight included", fontsize=9, loc="left")
    depth.legend(fontsize=8, frameon=False)
    fine = [burst.done_s * step / 300 for step in range(301)]
    running.step(fine, [burst.running_at(seconds) for seconds in fine], where="post", color=GREY, linewidth=1.2)
    running.set_title("Invocations at the same time, all functions", fontsize=9, loc="left")
    running.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (depth, running):
        axes.axvline(burst.uploaded_s, color="#9aa7b0", linestyle=":", linewidth=1)
        axes.set_xlabel("seconds since the first upload (dotted: the last one is in)", fontsize=8, color=GREY)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.tick_params(labelsize=8, colors=GREY)
        axes.spines[["top", "right"]].set_visible(False)
    most = max(max(sample.depths) for sample in burst.samples)
    alt = (
        f"Two charts over {burst.done_s:.0f} seconds. The queues fill to {most} messages while photos are uploaded, "
        f"and empty afterwards. At most {burst.most_at_once} invocations run at the same time."
    )
    table = [(f"{s.seconds:.1f}", *s.depths) for s in burst.samples[:: max(1, len(burst.samples) // 12)]]
    columns = ("seconds", *burst.functions)
    return drawn(figure, alt=alt, caption=burst.sentence(), columns=columns, table=table)


def draw_cost_of_memory(cpu_ms: float) -> Picture:
    """Time and cost of a million photos against the memory size, for work that needs `cpu_ms` of a processor."""
    times = [lambda_ms(cpu_ms, memory) for memory in MEMORY_SIZES_MB]
    costs = [
        cost_of_photos(A_MILLION, billed_ms=ms, memory_mb=memory).usd
        for ms, memory in zip(times, MEMORY_SIZES_MB, strict=True)
    ]
    figure = Figure(figsize=(10.4, 3.1), layout="constrained")
    time_axes, cost_axes = figure.subplots(1, 2)
    time_axes.plot(MEMORY_SIZES_MB, times, "o-", color=COLOURS[2], markersize=4)
    time_axes.set_title("Milliseconds for one photo and function", fontsize=9, loc="left")
    cost_axes.plot(MEMORY_SIZES_MB, costs, "s-", color=COLOURS[0], markersize=4)
    cost_axes.set_title("US dollars for a million photos", fontsize=9, loc="left")
    for axes in (time_axes, cost_axes):
        axes.axvline(MB_FOR_A_PROCESSOR, color="#9aa7b0", linestyle=":", linewidth=1)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda mb, _: f"{mb:.0f}"))
        axes.set_xlabel(f"memory in MB (dotted: {MB_FOR_A_PROCESSOR}, one whole processor)", fontsize=8, color=GREY)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=8, colors=GREY)
        axes.spines[["top", "right"]].set_visible(False)
    rows = [(mb, f"{ms:,.0f}", f"{usd:,.2f}") for mb, ms, usd in zip(MEMORY_SIZES_MB, times, costs, strict=True)]
    alt = (
        f"Two charts against memory size. The time falls from {times[0]:,.0f} ms at {MEMORY_SIZES_MB[0]} MB to "
        f"{times[-1]:,.0f} ms at {MB_FOR_A_PROCESSOR} MB and stays there; the cost stays at {costs[0]:,.0f} dollars up "
        f"to that size, and grows to {costs[-1]:,.0f} beyond it."
    )
    caption = f"Work of {cpu_ms:,.0f} ms on a whole processor, three functions, at the prices of the table."
    columns = ("memory, MB", "ms for one photo and function", "US dollars for a million photos")
    return drawn(figure, alt=alt, caption=caption, columns=columns, table=rows)
