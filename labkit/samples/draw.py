"""Draws the three drawn samples: `python -m labkit.samples.draw FOLDER` makes them anew, pixel for pixel.

Each is drawn at twice its size and halved at the end, which smooths every edge.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]

SMOOTHING = 2  # drawn larger by this, then shrunk
JPEG_QUALITY = 90


def draw_clouds(width: int = 2880, height: int = 1920) -> Image.Image:
    """A cloud landscape at sunrise: sky, sun, clouds and five ridges in the mist."""
    chance = random.Random(6)  # noqa: S311  the same picture each time
    w, h = width * SMOOTHING // 2, height * SMOOTHING // 2  # soft shapes: nothing is gained by a larger canvas
    sky = _gradient(
        (w, h), [(0, (52, 84, 148)), (0.42, (139, 166, 206)), (0.66, (249, 205, 170)), (1, (255, 232, 204))]
    )
    _glow(sky, (0.66 * w, 0.55 * h), 0.42 * h, (255, 226, 168), 0.85)
    _glow(sky, (0.66 * w, 0.55 * h), 0.075 * h, (255, 250, 232), 1.0, edge=0.9)
    for x, y, size, light in (
        (0.20, 0.25, 0.17, 0.93),
        (0.83, 0.20, 0.11, 0.90),
        (0.50, 0.38, 0.09, 0.97),
        (0.07, 0.47, 0.10, 1.0),
        (0.93, 0.43, 0.08, 1.0),
    ):
        _cloud(sky, chance, (x * w, y * h), size * h, light)
    far, near = (178, 176, 200), (22, 44, 66)
    for layer in range(5):
        depth = layer / 4
        base = 0.60 + 0.085 * layer
        line = _ridge(chance, w, base * h, (0.08 + 0.02 * depth) * h, roughness=0.50 + 0.05 * depth)
        rock, haze = _mix(far, near, depth), _mix((250, 222, 206), (58, 84, 104), depth)
        mist = _gradient((w, h), [(0, rock), (base - 0.04, rock), (min(0.98, base + 0.17), haze), (1, haze)])
        shape = Image.new("L", (w, h))
        ImageDraw.Draw(shape).polygon([(0, h), *line, (w, h)], fill=255)
        sky.paste(mist, mask=shape)
    return _grain(sky.resize((width, height), Image.Resampling.LANCZOS), 5)


def draw_portrait(width: int = 1600, height: int = 2400) -> Image.Image:
    """A sitter with a calm smile before a dreaming landscape, in flat shapes: a bow to the famous one."""
    w, h = width * SMOOTHING, height * SMOOTHING
    picture = _portrait_landscape(w, h)

    def at(*points: Point) -> list[Point]:
        return [(x * w, y * h) for x, y in points]

    def shape(colour: Colour, *points: Point, soft: float = 0, strength: float = 1.0) -> None:
        mask = Image.new("L", (w, h))
        ImageDraw.Draw(mask).polygon(_smooth(at(*points)), fill=round(255 * strength))
        if soft:
            mask = mask.filter(ImageFilter.GaussianBlur(soft * w))
        picture.paste(colour, mask=mask)

    def stroke(colour: Colour, thick: float, *points: Point) -> None:
        _brush(picture, _smooth(at(*points), closed=False), thick * w, colour)

    hair, dark, skin, shade, light = (52, 34, 28), (38, 32, 34), (226, 180, 132), (190, 136, 92), (243, 208, 164)
    # the back of the hair, down to the shoulders
    shape(
        hair,
        (0.5, 0.135),
        (0.64, 0.18),
        (0.70, 0.32),
        (0.715, 0.47),
        (0.69, 0.57),
        (0.5, 0.60),
        (0.31, 0.57),
        (0.285, 0.47),
        (0.30, 0.32),
        (0.36, 0.18),
    )
    # dress and shoulders
    shape(
        (48, 58, 50),
        (0.5, 0.50),
        (0.66, 0.535),
        (0.82, 0.62),
        (0.91, 0.78),
        (0.95, 1.06),
        (0.5, 1.08),
        (0.05, 1.06),
        (0.09, 0.78),
        (0.18, 0.62),
        (0.34, 0.535),
    )
    shape(
        (64, 76, 62),
        (0.20, 0.64),
        (0.33, 0.575),
        (0.36, 0.70),
        (0.33, 0.90),
        (0.19, 0.98),
        (0.11, 0.92),
        (0.13, 0.76),
        soft=0.02,
    )
    # neck and breast
    shape(
        shade,
        (0.425, 0.40),
        (0.575, 0.40),
        (0.585, 0.50),
        (0.66, 0.56),
        (0.64, 0.64),
        (0.5, 0.685),
        (0.36, 0.64),
        (0.34, 0.56),
        (0.415, 0.50),
    )
    shape(
        skin,
        (0.44, 0.44),
        (0.56, 0.47),
        (0.57, 0.53),
        (0.63, 0.575),
        (0.60, 0.63),
        (0.5, 0.66),
        (0.38, 0.63),
        (0.36, 0.575),
        (0.42, 0.53),
        soft=0.012,
    )
    # the hem of the dress, with its row of stitches
    stroke((120, 96, 52), 0.012, (0.345, 0.565), (0.365, 0.64), (0.5, 0.687), (0.635, 0.64), (0.655, 0.565))
    stroke((206, 170, 96), 0.004, (0.345, 0.565), (0.365, 0.64), (0.5, 0.687), (0.635, 0.64), (0.655, 0.565))
    # face
    shape(
        skin,
        (0.5, 0.165),
        (0.585, 0.195),
        (0.618, 0.28),
        (0.605, 0.375),
        (0.56, 0.445),
        (0.5, 0.475),
        (0.44, 0.445),
        (0.395, 0.375),
        (0.382, 0.28),
        (0.415, 0.195),
    )
    shape(
        light,
        (0.49, 0.19),
        (0.555, 0.22),
        (0.575, 0.29),
        (0.55, 0.39),
        (0.49, 0.44),
        (0.44, 0.39),
        (0.42, 0.29),
        (0.43, 0.22),
        soft=0.03,
        strength=0.75,
    )
    shape(
        shade,
        (0.615, 0.26),
        (0.62, 0.34),
        (0.58, 0.43),
        (0.52, 0.472),
        (0.56, 0.42),
        (0.592, 0.34),
        soft=0.012,
        strength=0.7,
    )
    # cheeks
    for x in (0.437, 0.557):
        shape((222, 142, 108), (x - 0.03, 0.355), (x, 0.335), (x + 0.03, 0.355), (x, 0.38), soft=0.016, strength=0.55)
    # nose: a soft shadow and two curves
    shape(shade, (0.497, 0.29), (0.512, 0.29), (0.522, 0.36), (0.505, 0.373), (0.488, 0.366), soft=0.006, strength=0.55)
    stroke((164, 108, 74), 0.0042, (0.478, 0.362), (0.484, 0.372), (0.503, 0.377), (0.521, 0.371), (0.525, 0.361))
    # eyes, lids and brows
    for x in (0.446, 0.551):
        shape((247, 238, 222), (x - 0.032, 0.289), (x, 0.278), (x + 0.033, 0.288), (x, 0.2985))
        _disc(picture, (x * w + 0.005 * w, 0.2865 * h), 0.0125 * w, (92, 60, 36))
        _disc(picture, (x * w + 0.005 * w, 0.2865 * h), 0.0062 * w, (24, 16, 14))
        _disc(picture, (x * w + 0.009 * w, 0.2840 * h), 0.0026 * w, (255, 252, 244))
        shape(
            (214, 164, 118),
            (x - 0.034, 0.286),
            (x - 0.016, 0.271),
            (x + 0.004, 0.268),
            (x + 0.022, 0.272),
            (x + 0.036, 0.285),
            (x + 0.02, 0.2815),
            (x, 0.2800),
            (x - 0.018, 0.2820),
        )
        stroke(
            (84, 54, 40),
            0.005,
            (x - 0.034, 0.2885),
            (x - 0.018, 0.2820),
            (x, 0.2797),
            (x + 0.02, 0.2815),
            (x + 0.035, 0.2875),
        )
        stroke((182, 128, 90), 0.003, (x - 0.024, 0.3035), (x, 0.3065), (x + 0.024, 0.303))
        stroke(
            (186, 136, 94), 0.0035, (x - 0.036, 0.2665), (x - 0.012, 0.2600), (x + 0.012, 0.2597), (x + 0.036, 0.2655)
        )
    # the smile
    shape(
        (190, 104, 88),
        (0.451, 0.4045),
        (0.482, 0.4035),
        (0.5, 0.4065),
        (0.518, 0.4035),
        (0.550, 0.4030),
        (0.523, 0.4175),
        (0.5, 0.4210),
        (0.476, 0.4180),
    )
    stroke(
        (126, 62, 52),
        0.0038,
        (0.440, 0.3985),
        (0.452, 0.4050),
        (0.472, 0.4105),
        (0.5, 0.4118),
        (0.528, 0.4102),
        (0.550, 0.4035),
        (0.562, 0.3960),
    )
    shape(shade, (0.48, 0.431), (0.5, 0.428), (0.52, 0.431), (0.5, 0.435), soft=0.006, strength=0.6)
    # hair falling on both sides, parted in the middle, and a veil over it
    for side in (-1, 1):

        def across(value: float, side: int = side) -> float:
            return 0.5 + side * value

        shape(
            hair,
            (across(0.0), 0.145),
            (across(0.075), 0.165),
            (across(0.125), 0.225),
            (across(0.150), 0.33),
            (across(0.170), 0.45),
            (across(0.195), 0.555),
            (across(0.150), 0.60),
            (across(0.115), 0.54),
            (across(0.128), 0.44),
            (across(0.118), 0.36),
            (across(0.118), 0.29),
            (across(0.090), 0.215),
            (across(0.02), 0.172),
        )
        for k in range(4):
            d = 0.012 * k
            stroke(
                (86, 58, 44),
                0.003,
                (across(0.02 + d), 0.158 + d / 2),
                (across(0.105 + d), 0.225),
                (across(0.128 + d), 0.34),
                (across(0.14 + d), 0.45),
                (across(0.148 + d), 0.55),
            )
    stroke((110, 84, 62), 0.004, (0.375, 0.215), (0.43, 0.158), (0.5, 0.140), (0.57, 0.158), (0.625, 0.215))
    # arms: two sleeves, then the hands laid one over the other
    shape(
        (116, 88, 44),
        (0.10, 0.80),
        (0.22, 0.745),
        (0.42, 0.80),
        (0.60, 0.835),
        (0.60, 0.905),
        (0.40, 0.93),
        (0.18, 0.93),
        (0.07, 0.90),
    )
    shape(
        (138, 108, 58),
        (0.92, 0.78),
        (0.80, 0.735),
        (0.62, 0.78),
        (0.50, 0.83),
        (0.50, 0.895),
        (0.66, 0.915),
        (0.84, 0.90),
        (0.95, 0.87),
    )
    for k in range(7):
        stroke(
            (92, 70, 36),
            0.004,
            (0.60 + 0.045 * k, 0.785 - 0.004 * k),
            (0.615 + 0.045 * k, 0.84),
            (0.60 + 0.047 * k, 0.90),
        )
        stroke((82, 62, 30), 0.004, (0.14 + 0.045 * k, 0.785), (0.125 + 0.047 * k, 0.86), (0.14 + 0.045 * k, 0.925))
    shape(
        shade,
        (0.54, 0.815),
        (0.44, 0.80),
        (0.36, 0.815),
        (0.315, 0.85),
        (0.33, 0.872),
        (0.40, 0.862),
        (0.46, 0.885),
        (0.56, 0.895),
    )
    shape(
        skin,
        (0.60, 0.80),
        (0.50, 0.785),
        (0.42, 0.795),
        (0.34, 0.83),
        (0.305, 0.855),
        (0.32, 0.868),
        (0.37, 0.855),
        (0.335, 0.882),
        (0.355, 0.893),
        (0.41, 0.872),
        (0.385, 0.902),
        (0.41, 0.910),
        (0.46, 0.885),
        (0.53, 0.888),
        (0.60, 0.875),
    )
    for points in (
        ((0.40, 0.828), (0.36, 0.846), (0.325, 0.864)),
        ((0.43, 0.846), (0.39, 0.866), (0.35, 0.888)),
        ((0.46, 0.862), (0.43, 0.882), (0.405, 0.905)),
    ):
        stroke((196, 144, 100), 0.0035, *points)
    # the chair's arm, and the light of the room
    shape((70, 44, 28), (-0.05, 0.955), (0.5, 0.935), (1.05, 0.955), (1.05, 1.1), (-0.05, 1.1))
    stroke((122, 82, 50), 0.006, (-0.05, 0.957), (0.5, 0.938), (1.05, 0.957))
    _vignette(picture, 0.42, dark)
    return _grain(picture.resize((width, height), Image.Resampling.LANCZOS), 7)


def draw_smiley(width: int = 960, height: int = 960) -> Image.Image:
    """A happy face: smaller than the web size, so that the lab can show a photo that is never enlarged."""
    w, h = width * SMOOTHING, height * SMOOTHING
    picture = _gradient((w, h), [(0, (122, 205, 208)), (1, (64, 150, 178))])
    shadow = Image.new("L", (w, h))
    ImageDraw.Draw(shadow).ellipse((0.20 * w, 0.855 * h, 0.80 * w, 0.935 * h), fill=150)
    picture.paste((26, 84, 108), mask=shadow.filter(ImageFilter.GaussianBlur(0.02 * w)))
    middle, radius = (0.5 * w, 0.48 * h), 0.40 * w
    _disc(picture, middle, radius, (232, 152, 24))
    _disc(picture, middle, radius * 0.975, (255, 204, 46))
    face = Image.new("L", (w, h))
    ImageDraw.Draw(face).ellipse(_box(middle, radius * 0.975), fill=255)
    shine = picture.copy()
    _glow(shine, (0.36 * w, 0.26 * h), 0.40 * w, (255, 244, 178), 0.9)
    picture.paste(shine, mask=face)
    for x in (0.37, 0.63):
        ImageDraw.Draw(picture).ellipse(((x - 0.045) * w, 0.305 * h, (x + 0.045) * w, 0.465 * h), fill=(70, 40, 18))
        _disc(picture, ((x + 0.014) * w, 0.345 * h), 0.016 * w, (255, 250, 236))
    for x in (0.245, 0.755):
        cheek = picture.copy()
        _glow(cheek, (x * w, 0.535 * h), 0.085 * w, (255, 134, 84), 0.75)
        picture.paste(cheek, mask=face)
    smile = [(middle[0] + 0.235 * w * math.cos(a), 0.515 * h + 0.205 * h * math.sin(a)) for a in _angles(0.10, 0.90)]
    _brush(picture, smile, 0.034 * w, (70, 40, 18))
    return _grain(picture.resize((width, height), Image.Resampling.LANCZOS), 3)


DRAWINGS: dict[str, Callable[[], Image.Image]] = {
    "AWS.jpg": draw_clouds,
    "MonaLisa.jpg": draw_portrait,
    "HappyFace.jpg": draw_smiley,
}


def _portrait_landscape(w: int, h: int) -> Image.Image:
    chance = random.Random(1503)  # noqa: S311  the same picture each time
    picture = _gradient(
        (w, h), [(0, (122, 150, 140)), (0.28, (186, 190, 150)), (0.42, (206, 190, 134)), (1, (96, 84, 50))]
    )
    for layer, colour in enumerate([(138, 158, 146), (112, 136, 118), (96, 116, 84), (110, 98, 58), (84, 72, 42)]):
        line = _ridge(chance, w, (0.27 + 0.075 * layer) * h, (0.075 - 0.012 * layer) * h, roughness=0.55)
        ImageDraw.Draw(picture).polygon([(0, h), *line, (w, h)], fill=colour)
    river = _smooth(
        [(0.02 * w, 0.60 * h), (0.20 * w, 0.55 * h), (0.08 * w, 0.50 * h), (0.22 * w, 0.455 * h), (0.13 * w, 0.42 * h)],
        closed=False,
    )
    for k, point in enumerate(river):
        _disc(picture, point, (0.030 - 0.022 * k / len(river)) * w, (170, 186, 168))
    path = _smooth(
        [(1.02 * w, 0.62 * h), (0.84 * w, 0.57 * h), (0.94 * w, 0.52 * h), (0.80 * w, 0.48 * h), (0.87 * w, 0.44 * h)],
        closed=False,
    )
    for k, point in enumerate(path):
        _disc(picture, point, (0.022 - 0.015 * k / len(path)) * w, (196, 164, 108))
    return picture.filter(ImageFilter.GaussianBlur(0.003 * w))


def _gradient(size: tuple[int, int], stops: Sequence[tuple[float, Colour]]) -> Image.Image:
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        t = y / (size[1] - 1)
        k = max(i for i, (place, _) in enumerate(stops[:-1]) if place <= t)
        (a, first), (b, second) = stops[k], stops[k + 1]
        column.putpixel((0, y), _mix(first, second, (t - a) / (b - a)))
    return column.resize(size)


def _glow(picture: Image.Image, middle: Point, radius: float, colour: Colour, strength: float, edge: float = 0) -> None:
    """Light that fades from the middle outward; `edge` is where fading begins, as a share of the radius."""
    side = round(2 * radius)
    fading = ImageChops.invert(Image.radial_gradient("L").resize((side, side)))  # 255 in the middle
    # radial_gradient reaches 255 in the corners, at sqrt(2) radii: the circle itself lies at 1/sqrt(2)
    rim = 255 * (1 - 1 / math.sqrt(2))
    span = (255 - rim) * (1 - edge)
    mask = fading.point(lambda v: round(255 * strength * min(1.0, max(0.0, (v - rim) / span))))
    picture.paste(colour, (round(middle[0] - radius), round(middle[1] - radius)), mask)


def _cloud(picture: Image.Image, chance: random.Random, middle: Point, size: float, light: float) -> None:
    """Puffs above a flat base, grey below and bright above."""
    w, h = picture.size
    body, top = Image.new("L", (w, h)), Image.new("L", (w, h))
    for _ in range(26):
        along = chance.gauss(0, 0.85)
        r = size * chance.uniform(0.22, 0.46) * math.exp(-along * along / 3)
        x, y = middle[0] + along * size * 1.25, middle[1] - r * chance.uniform(0.2, 0.9)
        ImageDraw.Draw(body).ellipse(_box((x, y), r), fill=255)
        ImageDraw.Draw(top).ellipse(_box((x + 0.10 * r, y - 0.16 * r), 0.80 * r), fill=255)
    for mask, blur, colour, strength in (
        (body, 0.10, (206, 204, 220), 0.80 * light),
        (top, 0.16, (255, 248, 238), 0.92 * light),
    ):
        soft = mask.filter(ImageFilter.GaussianBlur(blur * size))
        picture.paste(colour, mask=soft.point(lambda v, s=strength: round(v * s)))


def _ridge(chance: random.Random, width: int, base: float, height: float, roughness: float) -> list[Point]:
    """A mountain line by halving: the middle of each stretch is shifted, by less each time."""
    heights, swing = [chance.uniform(-1, 1), chance.uniform(-1, 1)], 1.0
    for _ in range(9):
        between = [(a + b) / 2 + chance.uniform(-swing, swing) for a, b in pairwise(heights)]
        heights = [v for pair in zip(heights, between, strict=False) for v in pair] + [heights[-1]]
        swing *= roughness
    return [(k * width / (len(heights) - 1), base - height * v) for k, v in enumerate(heights)]


def _smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 24) -> list[Point]:
    """A curve through all the points (Catmull-Rom)."""
    p = [points[-1], *points, *points[:2]] if closed else [points[0], *points, points[-1]]
    curve = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        for t in (k / steps for k in range(steps)):
            curve.append((_spline(a[0], b[0], c[0], d[0], t), _spline(a[1], b[1], c[1], d[1], t)))
    return curve if closed else [*curve, points[-1]]


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def _brush(picture: Image.Image, line: Iterable[Point], thick: float, colour: Colour) -> None:
    """A line with round ends and round joints."""
    points = list(line)
    ImageDraw.Draw(picture).line(points, fill=colour, width=max(1, round(thick)))
    for point in points:
        _disc(picture, point, thick / 2, colour)


def _disc(picture: Image.Image, middle: Point, radius: float, colour: Colour) -> None:
    ImageDraw.Draw(picture).ellipse(_box(middle, radius), fill=colour)


def _box(middle: Point, radius: float) -> tuple[float, float, float, float]:
    return middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius


def _angles(start: float, end: float, steps: int = 80) -> list[float]:
    return [math.pi * (start + (end - start) * k / steps) for k in range(steps + 1)]


def _mix(a: Colour, b: Colour, t: float) -> Colour:
    return (round(a[0] + (b[0] - a[0]) * t), round(a[1] + (b[1] - a[1]) * t), round(a[2] + (b[2] - a[2]) * t))


def _vignette(picture: Image.Image, strength: float, colour: Colour) -> None:
    fading = Image.radial_gradient("L").resize(picture.size)
    edge = fading.point(lambda v: round(strength * max(0, v - 110) * 255 / 145))
    picture.paste(colour, mask=edge)


def _grain(picture: Image.Image, amount: int) -> Image.Image:
    """A little noise, so that the file weighs and compresses like a photo, not like a diagram."""
    chance = random.Random(9)  # noqa: S311  the same picture each time
    noise = Image.frombytes("L", picture.size, chance.randbytes(picture.width * picture.height))
    shift = noise.point(lambda v: v * 2 * amount // 255)
    return ImageChops.add(picture, Image.merge("RGB", [shift] * 3), offset=-amount)


def main(folder: Path) -> None:
    """Draw all of them into a folder."""
    for name, draw in DRAWINGS.items():
        draw().save(folder / name, quality=JPEG_QUALITY, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
