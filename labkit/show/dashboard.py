"""The lab's dashboard as a picture: what the functions did, and what lies in the queues, minute by minute."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.insight.metrics import Metrics
from labkit.show.picture import Picture, Shown
from labkit.show.plot import minutes_along

COLOURS, MARKERS = ("#b0306e", "#c25e12", "#2b6592"), "os^"
GREY = "#5b6770"
WIDTH = 1000  # pixels on the page
# Title, metric, statistic; whose it is: the functions', the queues' or the dead-letter queues'.
CHARTS = (
    ("Invocations (Sum)", "Invocations", "Sum", "functions"),
    ("Errors (Sum)", "Errors", "Sum", "functions"),
    ("Duration, ms (Maximum)", "Duration", "Maximum", "functions"),
    ("Messages waiting (Maximum)", "ApproximateNumberOfMessagesVisible", "Maximum", "queues"),
    ("Dead letters (Maximum)", "ApproximateNumberOfMessagesVisible", "Maximum", "dead"),
    ("Age of the oldest message, s", "ApproximateAgeOfOldestMessage", "Maximum", "queues"),
)


def draw_dashboard(metrics: Metrics) -> Picture:
    """Six charts of what CloudWatch knows, as one SVG, with the latest values as a table."""
    figure = Figure(figsize=(10.4, 5), layout="constrained")
    rows = []
    for axes, (title, metric, statistic, whose) in zip(figure.subplots(2, 3).flat, CHARTS, strict=True):
        series = {name: metrics.find(name, metric, statistic) for name in _names(metrics, whose)}
        _chart(axes, series)
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlim(metrics.begin, metrics.end)
        rows += [(title, name, _latest(values), _most(values)) for name, values in series.items()]
    file = io.BytesIO()
    figure.savefig(file, format="svg", facecolor="white")
    alt = f"Six charts by the minute. {'; '.join(f'{title}, {name}: at most {most}' for title, name, _, most in rows)}."
    columns = ("chart", "of", "latest", "most")
    return Picture(metrics.sentence(), (Shown(file.getvalue(), "image/svg+xml", alt, WIDTH),), columns, tuple(rows))


def _names(metrics: Metrics, whose: str) -> Sequence[str]:
    if whose == "functions":
        return list(dict.fromkeys(one.of for one in metrics.series if one.metric == "Invocations"))
    queues = list(dict.fromkeys(one.of for one in metrics.series if one.metric == "NumberOfMessagesSent"))
    return [name for name in queues if ("dead-letter" in name) == (whose == "dead")]


def _chart(axes: Axes, series: Mapping[str, Mapping[datetime, float]]) -> None:
    most = 0.0
    for k, (name, values) in enumerate(series.items()):
        times = sorted(values)
        numbers = [values[at] for at in times]
        look = {"color": COLOURS[k % 3], "marker": MARKERS[k % 3]}
        axes.plot(times, numbers, label=name, markersize=4, linewidth=1, **look)  # type: ignore[arg-type]
        most = max([most, *numbers])
    axes.set_ylim(0, max(1.0, most) * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    minutes_along(axes)
    axes.tick_params(labelsize=7, colors=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c3ccd3")
    axes.legend(fontsize=6, frameon=False)


def _latest(values: Mapping[datetime, float]) -> str:
    return f"{values[max(values)]:g}" if values else "-"


def _most(values: Mapping[datetime, float]) -> str:
    return f"{max(values.values()):g}" if values else "-"
