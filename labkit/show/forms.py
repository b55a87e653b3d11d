"""One picture in several forms, as one SVG: the shape of the place for it decides which of them is shown.

As an image it reads wherever HTML does, also where a page throws away scripts, styles and SVG, as JupyterLab does with
a notebook that it does not trust: there it is shown in its widest form.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from labkit.result import html_text
from labkit.show.svg import style, xml_text

# A narrow place is made as high as the form for it needs, and no wider than its letters need to be read. By light or in
# the dark: as JupyterLab, Notebook and nbconvert say of their theme, as VS Code does, else as the page itself does.
# https://code.visualstudio.com/api/extension-guides/webview#theming-webview-content
PAGE_STYLE = (
    ".labkit-map{container-type:inline-size}"
    "@container(max-width:860px){.labkit-map img{aspect-ratio:var(--middle,auto)}}"
    "@container(max-width:600px){.labkit-map img{aspect-ratio:var(--tall);max-width:min(100%,440px)!important}}"
    "[data-jp-theme-light=true] .labkit-map,.vscode-light .labkit-map{color-scheme:light}"
    "[data-jp-theme-light=false] .labkit-map,.vscode-dark .labkit-map{color-scheme:dark}"
    "@media print{.labkit-map{color-scheme:light!important}}"
)


class Sheet(NamedTuple):
    """One form: its size in px, and its shapes."""

    width: float
    height: float
    shapes: str

    @property
    def size(self) -> str:
        """As the attributes of an SVG that has this size."""
        return f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'


def in_one_file(sheets: Sequence[Sheet], title: str, alt: str) -> str:
    """All forms, the widest first and the one for a telephone last, in a file that fills whatever place it is given."""
    shapes = "".join(
        f'<svg class="form-{n}" viewBox="0 0 {sheet.width:g} {sheet.height:g}">{sheet.shapes}</svg>'
        for n, sheet in enumerate(sheets)
    )
    choice = "".join(f".form-{n}{{display:none}}" for n in range(1, len(sheets)))
    for n, (one, following) in enumerate(pairwise(sheets)):
        # Half-way between the shapes of two forms, the one gives way to the other.
        turn = sqrt(one.width / one.height * following.width / following.height)
        choice += f"@media(max-aspect-ratio:{turn:.3f}){{.form-{n}{{display:none}}.form-{n + 1}{{display:inline}}}}"
    return svg_file('width="100%" height="100%"', title, alt, choice, shapes)


def svg_file(size: str, title: str, alt: str, more_style: str, shapes: str) -> str:
    """An SVG of that size with its title, what it shows in words, its styles and its shapes."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" {size}>'
        f'<title id="title">{xml_text(title)}</title><desc id="desc">{xml_text(alt)}</desc>'
        f"<style>{style()}{more_style}</style>{shapes}</svg>"
    )


def as_image(svg: str, sheets: Sequence[Sheet], alt: str) -> str:
    """What `in_one_file` gave, as an image in a page, which takes the shape of the form that fits."""
    image, first = base64.b64encode(svg.encode()).decode(), sheets[0]
    names = ("--middle", "--tall")[-len(sheets) + 1 :]
    shapes = ";".join(f"{name}:{sheet.width:g}/{sheet.height:g}" for name, sheet in zip(names, sheets[1:], strict=True))
    return (
        # Sphinx's themes dim what they take for a picture on light paper, unless it is called dark-light.
        f'<div class="labkit-map"><style>{PAGE_STYLE}</style>'
        f'<img class="dark-light" src="data:image/svg+xml;base64,{image}" alt="{html_text(alt)}" '
        f'width="{first.width:g}" height="{first.height:g}" '
        f'style="max-width:100%;height:auto;{shapes}"></div>'
    )
