"""What the console's Monitor tab plots: invocations, duration and errors, function by function.

With the figures of CloudWatch it is minute by minute, as there; the log lines stand in for what CloudWatch has not yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.insight.log_lines import Invocation
from labkit.insight.logs import FunctionLogs
from labkit.insight.metrics import Metrics
from labkit.show.metric_plot import plot_metrics
from labkit.show.picture import Picture
from labkit.show.plot import drawn

PERIODS_S = (1, 2, 5, 15, 60, 300, 900, 3600)  # the console's smallest is a minute; a lesson's burst is over by then
MOST_PERIODS = 12
COLOURS, MARKERS, HATCHES = ("#b0306e", "#c25e12", "#2b6592"), "os^", ("", "////", "....")
GREY = "#5b6770"
COLUMNS = ("function", "invocations", "errors", "success", "cold starts", "duration ms: least", "average", "most")


def monitor(logs: FunctionLogs | Sequence[FunctionLogs], metrics: Metrics | None = None) -> Picture:
    """Three charts over time and a table of the same figures.

    With `metrics` they are CloudWatch's, minute by minute, labelled as in the console. What the log lines tell of
    minutes that CloudWatch does not have yet is drawn hollow, and labelled so. Without, all is from the log lines.
    """
    several = [logs] if isinstance(logs, FunctionLogs) else list(logs)
    if metrics is not None and not metrics.refusal:
        return plot_metrics(several, metrics)
    done = [invocation for one in several for invocation in one if invocation.finished]
    figure = Figure(figsize=(10.4, 2.9), layout="constrained")
    invocations, durations, errors = figure.subplots(1, 3)
    start, period, periods = _periods(done)
    _bars(invocations, several, start, period, only_errors=False)
    _points(durations, several, start)
    _bars(errors, several, start, period, only_errors=True)
    invocations.set_title(f"Invocations (count in {_span(period)})", fontsize=9, loc="left")
    durations.set_title("Duration (ms; hollow: cold start)", fontsize=9, loc="left")
    errors.set_title(f"Errors (count in {_span(period)})", fontsize=9, loc="left")
    for axes in (invocations, durations, errors):
        axes.set_xlabel(f"seconds after {start:%H:%M:%S} UTC" if done else "no invocation yet", fontsize=8, color=GREY)
        axes.tick_params(labelsize=8, colors=GREY)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#c3ccd3")
        axes.set_xlim(-0.02 * period * periods, period * periods)
        axes.set_ylim(bottom=0)
    if any(one.invocations for one in several):
        handles, labels = invocations.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    rows = [_row(one) for one in several]
    return drawn(figure, alt=_alt(rows), caption=_caption(several), columns=COLUMNS, table=rows)


def _periods(invocations: list[Invocation]) -> tuple[datetime, int, int]:
    """When the charts begin, and how long and how many their periods are."""
    if not invocations:
        return datetime.min, 1, 1
    start = min(invocation.started for invocation in invocations).replace(microsecond=0)
    seconds = (max(invocation.started for invocation in invocations) - start).total_seconds() + 1
    period = next((p for p in PERIODS_S if seconds / p <= MOST_PERIODS), PERIODS_S[-1])
    return start, period, max(1, ceil(seconds / period))


def _bars(axes: Axes, logs: list[FunctionLogs], start: datetime, period: int, *, only_errors: bool) -> None:
    width = period / (len(logs) + 1)
    most = 0
    for k, one in enumerate(logs):
        invocations: Iterable[Invocation] = one.errors() if only_errors else one.invocations
        counts = Counter(int((invocation.started - start) / timedelta(seconds=period)) for invocation in invocations)
        axes.bar(
            [period * n + width * (k + 0.5) for n in counts],
            list(counts.values()),
            width,
            label=one.function,
            color=COLOURS[k % 3],
            hatch=HATCHES[k % 3],
            edgecolor="white",
            align="edge",
        )
        most = max([most, *counts.values()])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, max(1, most) * 1.15)
    if most == 0:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color=GREY, fontsize=10)


def _points(axes: Axes, logs: list[FunctionLogs], start: datetime) -> None:
    for k, one in enumerate(logs):
        for cold in (True, False):
            chosen = [invocation for invocation in one if invocation.finished and invocation.cold is cold]
            axes.scatter(
                [(invocation.started - start).total_seconds() for invocation in chosen],
                [invocation.duration_ms or 0 for invocation in chosen],
                s=26,
                marker=MARKERS[k % 3],
                facecolors="none" if cold else COLOURS[k % 3],
                edgecolors=COLOURS[k % 3],
            )


def _row(logs: FunctionLogs) -> tuple[object, ...]:
    durations = [invocation.duration_ms for invocation in logs if invocation.duration_ms is not None]
    cold, errors = sum(invocation.cold for invocation in logs), len(logs.errors())
    if not durations:
        return (logs.function, len(logs.invocations), errors, "-", cold, "-", "-", "-")
    figures = (min(durations), sum(durations) / len(durations), max(durations))
    success = f"{1 - errors / len(logs.invocations):.0%}"
    return (logs.function, len(logs.invocations), errors, success, cold, *(f"{figure:,.0f}" for figure in figures))


def _alt(rows: Sequence[Sequence[object]]) -> str:
    words = "; ".join(f"{row[0]}: {row[1]} invocations, {row[2]} errors, {row[6]} ms on average" for row in rows)
    return f"Three charts over time, of invocations, duration and errors. {words}."


def _caption(logs: list[FunctionLogs]) -> str:
    invocations, errors = sum(len(one.invocations) for one in logs), sum(len(one.errors()) for one in logs)
    return f"{invocations} invocations of {len(logs)} functions, {errors} of them with an error."


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"
