"""The Monitor tab minute by minute: CloudWatch's figures, and the log lines' where CloudWatch has none yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.insight.logs import FunctionLogs
from labkit.insight.metrics import MINUTE, Metrics
from labkit.show.picture import Picture
from labkit.show.plot import drawn, minutes_along

COLOURS, MARKERS = ("#b0306e", "#c25e12", "#2b6592"), "os^"
GREY = "#5b6770"
CLOUDWATCH, LOG_LINES = "CloudWatch", "log lines"
COLUMNS = ("function", "minute (UTC)", "invocations", "errors", "duration ms: least", "average", "most", "from")


@dataclass
class Minute:
    """The figures of one function in one minute, and who tells them."""

    source: str
    invocations: int = 0
    errors: int = 0
    durations: list[float] = field(default_factory=list)  # least, average, most

    @property
    def average(self) -> float | None:
        """Ms; None if none has ended."""
        return self.durations[1] if self.durations else None


Minutes = Mapping[datetime, Minute]


def plot_metrics(logs: Sequence[FunctionLogs], metrics: Metrics) -> Picture:
    """Three charts, labelled as in the console, and a table of the same figures."""
    names = list(dict.fromkeys(one.of for one in metrics.series if one.metric == "Invocations"))
    found = {name: _minutes(name, _logs_of(logs, name), metrics) for name in names}
    figure = Figure(figsize=(10.4, 2.9), layout="constrained")
    charts = figure.subplots(1, 3)
    for axes, title, value in zip(
        charts,
        ("Invocations (Count, Sum, 1 minute)", "Duration (Milliseconds, Average, 1 minute)", "Errors (Count, Sum)"),
        ("invocations", "average", "errors"),
        strict=True,
    ):
        _chart(axes, found, value)
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlim(metrics.begin, metrics.end)
    handles, labels = charts[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    rows = [_row(name, at, minute) for name, minutes in found.items() for at, minute in sorted(minutes.items())]
    return drawn(figure, alt=_alt(found), caption=_caption(found, metrics), columns=COLUMNS, table=rows)


def _logs_of(logs: Sequence[FunctionLogs], name: str) -> FunctionLogs | None:
    """A deployed function's name may carry a prefix and a suffix."""
    return next((one for one in logs if name in one.function), None)


def _minutes(name: str, logs: FunctionLogs | None, metrics: Metrics) -> Minutes:
    found: dict[datetime, Minute] = {}
    errors = metrics.find(name, "Errors", "Sum")
    durations = [metrics.find(name, "Duration", statistic) for statistic in ("Minimum", "Average", "Maximum")]
    for at, count in metrics.find(name, "Invocations", "Sum").items():
        known = [values[at] for values in durations if at in values]
        found[at] = Minute(
            CLOUDWATCH, int(count), int(errors.get(at, 0)), known if len(known) == len(durations) else []
        )
    for at, minute in _of_log_lines(logs).items():
        if at not in found and at >= metrics.begin:
            found[at] = minute
    return found


def _of_log_lines(logs: FunctionLogs | None) -> Minutes:
    of: dict[datetime, list[tuple[bool, float | None]]] = defaultdict(list)
    failed = {id(invocation) for invocation in logs.errors()} if logs else set()
    for invocation in logs or ():
        if invocation.finished:
            at = invocation.started.replace(second=0, microsecond=0)
            of[at].append((id(invocation) in failed, invocation.duration_ms))
    found = {}
    for at, told in of.items():
        took = [ms for _, ms in told if ms is not None]
        durations = [min(took), sum(took) / len(took), max(took)] if took else []
        found[at] = Minute(LOG_LINES, len(told), sum(error for error, _ in told), durations)
    return found


def _chart(axes: Axes, found: Mapping[str, Minutes], value: str) -> None:
    most = 0.0
    for k, (name, minutes) in enumerate(found.items()):
        colour = COLOURS[k % len(COLOURS)]
        for source, fill in ((CLOUDWATCH, colour), (LOG_LINES, "none")):
            points = [
                (at + MINUTE / 2, number)
                for at, minute in sorted(minutes.items())
                if minute.source == source and (number := getattr(minute, value)) is not None
            ]
            if not points:
                continue
            label = name if source == CLOUDWATCH else f"{name}, from the log lines: CloudWatch has not the minute yet"
            style = {"marker": MARKERS[k % len(MARKERS)], "markersize": 5, "markerfacecolor": fill}
            times, numbers = [at for at, _ in points], [number for _, number in points]
            axes.plot(times, numbers, color=colour, linewidth=1, label=label, **style)  # type: ignore[arg-type]
            most = max([most, *numbers])
    axes.set_ylim(0, max(1.0, most) * 1.15)
    if value != "average":
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    minutes_along(axes)
    axes.tick_params(labelsize=8, colors=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c3ccd3")


def _row(name: str, at: datetime, minute: Minute) -> tuple[object, ...]:
    durations = [f"{figure:,.0f}" for figure in minute.durations] or ["-", "-", "-"]
    return (name, f"{at:%H:%M}", minute.invocations, minute.errors, *durations, minute.source)


def _alt(found: Mapping[str, Minutes]) -> str:
    words = "; ".join(
        f"{name}: {sum(minute.invocations for minute in minutes.values())} invocations, "
        f"{sum(minute.errors for minute in minutes.values())} errors"
        for name, minutes in found.items()
    )
    return f"Three charts by the minute, of invocations, duration and errors. {words}."


def _caption(found: Mapping[str, Minutes], metrics: Metrics) -> str:
    minutes = [minute for of in found.values() for minute in of.values()]
    waiting = sum(minute.source == LOG_LINES for minute in minutes)
    said = (
        f"What CloudWatch knows from {metrics.begin:%H:%M} to {metrics.end:%H:%M} UTC, as in the console's Monitor tab."
    )
    more = " Hollow: from the log lines, since CloudWatch does not have the minute yet."
    return said + (more if waiting else "")
