"""Controls where a hand is natural. Each takes what it does as a callable, and shows the code that does the same.

A control stands below a text that is always there; in a headless run the text stands alone, and the notebook's own
cells run the line of code.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]
from IPython.display import display

from labkit.errors import LabError
from labkit.insight.logs import FunctionLogs, beginning
from labkit.progress import HEADLESS
from labkit.result import Result, html_text
from labkit.samples import FOLDER as SAMPLES
from labkit.samples import list_samples
from labkit.show.log_table import log_table
from labkit.terminal import printable

LOOK_AGAIN_S = 1.0  # how often a control that follows something asks
FOLLOWED_S = 600  # and how long at most: a forgotten notebook should not ask for ever
PHOTO_TYPES = ".jpg"
MEMORIES_MB = (128, 256, 512, 1024, 2048)


@dataclass(frozen=True)
class Live:
    """What a hand can use: the widget, and what follows something in it, if anything does."""

    widget: widgets.Widget
    follower: Follower | None = None


@dataclass
class Control:
    """What a control is for in a sentence, the code that does the same, and how the widget is built."""

    purpose: str
    code: str
    build: Callable[[], Live] = field(repr=False)
    static: Result | None = None  # what can be unfolded even where no widget can be

    @cached_property
    def live(self) -> Live:
        """The widget, built when it is first asked for: an executed copy need not carry it."""
        return self.build()

    def bundle(self) -> dict[str, str]:
        """The text that is always there."""
        text = f"{self.purpose} In code: {self.code}"
        html = f"<p>{html_text(self.purpose)} In code: <code>{html_text(self.code)}</code></p>"
        if self.static:
            text += f"\n{self.static}"
            html += f"<details><summary>As it was when this cell ran</summary>{_html(self.static)}</details>"
        return {"text/plain": printable(text), "text/html": html}

    def _ipython_display_(self) -> None:
        display(self.bundle(), raw=True)  # type: ignore[no-untyped-call]
        if not os.environ.get(HEADLESS):
            display(self.live.widget)  # type: ignore[no-untyped-call]


def choose_photo(upload: Callable[[Path], Result], folder: Path = Path("my-photos")) -> Control:
    """Choose a sample, or a file from your computer, and upload it.

    `upload` takes a path. A file from the computer is kept in `folder`; files dropped into that folder (in JupyterLab's
    file browser, say) can be chosen as well.
    """
    return Control(
        f"Choose a sample or a file of your own (drop it into the folder {folder} in the file browser), and upload it.",
        'upload_photo(lab, sample("AWS.jpg"))',
        lambda: _photo_chooser(upload, folder),
    )


def _photo_chooser(upload: Callable[[Path], Result], folder: Path) -> Live:
    choice = widgets.Dropdown(description="photo", options=_photos(folder))
    refresh = widgets.Button(description="look again", tooltip=f"Look for new files in {folder}")
    own = widgets.FileUpload(accept=PHOTO_TYPES, multiple=False, description="from your computer")
    own.layout.width = "max-content"
    press, code, output = widgets.Button(description="upload", button_style="primary"), _code(), widgets.Output()

    def chosen() -> Path:
        return folder / Path(own.value[0]["name"]).name if own.value else Path(choice.value)

    def upload_chosen() -> Result:
        if own.value:
            folder.mkdir(exist_ok=True)
            chosen().write_bytes(bytes(own.value[0]["content"]))
        return upload(chosen())

    def say(_: Any = None) -> None:
        path = chosen()
        bundled = path.parent == SAMPLES
        code.value = _as_code(f"upload_photo(lab, {f'sample({path.name!r})' if bundled else repr(str(path))})")

    def forget_own(_: Any) -> None:
        own.value = ()

    def look(_: Any) -> None:
        choice.options = _photos(folder)

    choice.observe(forget_own, "value")
    choice.observe(say, "value")
    own.observe(say, "value")
    refresh.on_click(look)
    _on_press(press, output, upload_chosen)
    say()
    return Live(widgets.VBox([widgets.HBox([choice, refresh, own]), widgets.HBox([press, code]), output]))


def send_event_again(send: Callable[[], Result], key: str) -> Control:
    """A button that sends the event of a photo once more."""
    line = f'send_again(lab, "{key}")'
    return Control(
        "Delivery is at least once: send the same event again, and see that nothing changes.",
        line,
        lambda: _button("send the same event again", line, send),
    )


def _button(description: str, line: str, do: Callable[[], Result]) -> Live:
    press, output = widgets.Button(description=description), widgets.Output()
    press.layout.width = "max-content"
    _on_press(press, output, do)
    return Live(widgets.VBox([widgets.HBox([press, _code(line)]), output]))


def pick_memory(
    configure: Callable[[str, int], Result], functions: Sequence[str], memories_mb: Sequence[int] = MEMORIES_MB
) -> Control:
    """Pick a function and give it another memory size (and with it another share of a CPU)."""
    return Control(
        "Pick a function and change its memory; the next invocation runs in a new environment.",
        f'configure_function(lab, "{functions[0]}", MemorySize={memories_mb[-1]})',
        lambda: _memory_picker(configure, functions, memories_mb),
    )


def _memory_picker(
    configure: Callable[[str, int], Result], functions: Sequence[str], memories_mb: Sequence[int]
) -> Live:
    function = widgets.Dropdown(description="function", options=list(functions))
    # Not a slider: ipywidgets gives its handle no name that a screen reader could say.
    memory = widgets.Dropdown(
        description="memory MB", options=list(memories_mb), value=memories_mb[len(memories_mb) // 2]
    )
    press, code, output = widgets.Button(description="change", button_style="primary"), _code(), widgets.Output()

    def say(_: Any = None) -> None:
        code.value = _as_code(f'configure_function(lab, "{function.value}", MemorySize={memory.value})')

    function.observe(say, "value")
    memory.observe(say, "value")
    _on_press(press, output, lambda: configure(function.value, memory.value))
    say()
    return Live(widgets.VBox([widgets.HBox([function, memory]), widgets.HBox([press, code]), output]))


def watch_queues(read: Callable[[], Result]) -> Control:
    """The queues' depth, followed live while the toggle is on. `read` gives the depths of a moment."""
    line = "queue_depths(lab)"
    return Control(
        "Watch how many messages wait in each queue.", line, lambda: _followed_table(read, line), static=read()
    )


def _followed_table(read: Callable[[], Result], line: str) -> Live:
    table = widgets.HTML(_in_widget(read()))
    follower = Follower(lambda: setattr(table, "value", _in_widget(read())))
    return Live(widgets.VBox([widgets.HBox([follower.toggle, _code(line)]), table]), follower)


def view_logs(read: Callable[[str], FunctionLogs], functions: Sequence[str]) -> Control:
    """Logs by function, stream, text and time, followed live while the toggle is on."""
    return Control(
        "Read the logs by function, stream, text and time.",
        f'log_table(read_logs(lab, "{functions[0]}").select(text="error"))',
        lambda: _log_viewer(read, functions),
        static=log_table([read(function) for function in functions], unfold=False),
    )


def _log_viewer(read: Callable[[str], FunctionLogs], functions: Sequence[str]) -> Live:
    function = widgets.Dropdown(description="function", options=list(functions))
    stream = widgets.Dropdown(description="stream", options=[("all", "")])
    text = widgets.Text(description="text", placeholder="error, a key, a request id ...", continuous_update=False)
    since = widgets.Dropdown(
        description="since", options=[("ever", ""), *((f"{n} ago", n) for n in ("1m", "5m", "1h"))]
    )
    code, table = _code(), widgets.HTML()

    def line() -> str:
        wanted = [f'stream="{stream.value}"'] if stream.value else []
        wanted += [f"text={text.value!r}"] if text.value else []
        first = f'read_logs(lab, "{function.value}"' + (f', since="{since.value}")' if since.value else ")")
        select = f".select({', '.join(wanted)})" if wanted else ""
        return f"log_table({first}{select})"

    def show(_: Any = None) -> None:
        logs = read(function.value)
        streams = [("all", ""), *((name[-8:], name) for name in logs.streams)]
        if list(stream.options) != streams:
            chosen = stream.value
            stream.options = streams
            stream.value = chosen if chosen in logs.streams else ""
        selected = logs.select(
            stream=stream.value, text=text.value, since=beginning(since.value) if since.value else None
        )
        table.value, code.value = _in_widget(log_table(selected)), _as_code(line())

    for control in (function, stream, text, since):
        control.observe(show, "value")
    follower = Follower(show)
    show()
    box = widgets.VBox(
        [widgets.HBox([function, stream]), widgets.HBox([text, since]), widgets.HBox([follower.toggle, code]), table]
    )
    return Live(box, follower)


def pick_fault(name_it: Callable[[str, str], Result], places: Sequence[str], functions: Sequence[str]) -> Control:
    """Pick the place that you take for the broken one, of a branch or of what all share, and hear how near that is."""
    return Control(
        f"Pick the place that is broken. There are {', '.join(places)}; of a branch, or of what all share.",
        f'name_fault(lab, "{places[-1]}", "{functions[0]}")',
        lambda: _fault_picker(name_it, places, functions),
    )


def _fault_picker(name_it: Callable[[str, str], Result], places: Sequence[str], functions: Sequence[str]) -> Live:
    place = widgets.Dropdown(description="place", options=list(places))
    branch = widgets.Dropdown(description="of", options=[("what all share", ""), *((one, one) for one in functions)])
    press, output = widgets.Button(description="this is it", button_style="primary"), widgets.Output()
    _on_press(press, output, lambda: name_it(place.value, branch.value))
    return Live(widgets.VBox([widgets.HBox([place, branch, press]), output]))


class Follower:
    """Does something again and again in a thread of its own, while a toggle is on."""

    def __init__(self, do: Callable[[], object], every_s: float = LOOK_AGAIN_S, most_s: float = FOLLOWED_S) -> None:
        self.toggle = widgets.ToggleButton(description="follow", tooltip=f"Look again every {every_s:g} s")
        self._do, self._every, self._rounds = do, every_s, int(most_s / every_s)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.toggle.observe(self._toggled, "value")

    def stop(self) -> None:
        """Stop, and wait until it has stopped."""
        self.toggle.value = False
        if self._thread is not None:
            self._thread.join()

    def _toggled(self, change: dict[str, Any]) -> None:
        if not change["new"]:
            self._stop.set()
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(self._stop,), daemon=True)
        self._thread.start()

    def _follow(self, stop: threading.Event) -> None:
        for _ in range(self._rounds):
            try:
                self._do()
            except LabError as error:
                self.toggle.description = f"stopped: {error.message}"
                break
            if stop.wait(self._every):
                return
        self.toggle.value = False


def _on_press(button: widgets.Button, output: widgets.Output, do: Callable[[], Result]) -> None:
    def pressed(_: Any) -> None:
        button.disabled = True
        try:
            shown = _html(do())
        except LabError as error:
            shown = f"<pre>{html_text(error)}</pre>"
        finally:
            button.disabled = False
        output.outputs = ({"output_type": "display_data", "data": {"text/html": shown}, "metadata": {}},)

    button.on_click(pressed)


def _photos(folder: Path) -> list[tuple[str, str]]:
    own = sorted(path for path in folder.glob("*") if path.suffix in PHOTO_TYPES.split(","))
    return [(one.name, str(one.path)) for one in list_samples()] + [
        (f"{folder.name}/{path.name}", str(path)) for path in own
    ]


def _code(line: str = "") -> widgets.HTML:
    return widgets.HTML(_as_code(line) if line else "")


def _as_code(line: str) -> str:
    return f"in code: <code>{html_text(line)}</code>"


def _html(result: Result) -> str:
    return str(result._repr_mimebundle_()["text/html"])


def _in_widget(result: Result) -> str:
    """JupyterLab's look of tables and text, which its outputs have and an HTML widget has not."""
    return f'<div class="jp-RenderedHTMLCommon">{_html(result)}</div>'
