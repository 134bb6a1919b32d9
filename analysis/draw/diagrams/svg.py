"""Boxes, arrows and words as SVG, in the ink of the page that it stands on."""

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

LETTER_PX = 6.4  # of a mean letter at 11 px


class Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def drawing(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """`label` is what a reader who sees no picture is told."""
    return (
        f'<svg class="diagram" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'role="img" aria-label="{escape(label)}">{_ARROW}{"".join(parts)}</svg>'
    )


_ARROW = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>'
)


def rectangle(box: Box, kind: str, told: str = "") -> str:
    """`kind` is its class in the page's style; `told` is shown where it is pointed at."""
    title = f"<title>{escape(told)}</title>" if told else ""
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="3" '
        f'class="{kind}">{title}</rect>'
    )


def words(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def arrow(start: tuple[float, float], end: tuple[float, float], kind: str = "flow") -> str:
    """Straight at one height, else bent halfway."""
    (x, y), (to_x, to_y) = start, end
    half = (x + to_x) / 2
    path = f"M{x:.1f} {y:.1f}" + (
        f"H{to_x:.1f}" if abs(y - to_y) < 0.5 else f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    )
    return f'<path d="{path}" class="{kind}" marker-end="url(#tip)"/>'


def arch(start: tuple[float, float], end: tuple[float, float], top: float) -> str:
    """Over what lies between, at the height `top`, with round corners."""
    (x, y), (to_x, to_y) = start, end
    path = f"M{x:.1f} {y:.1f}V{top + 6:.1f}Q{x:.1f} {top:.1f} {x + 6:.1f} {top:.1f}H{to_x - 6:.1f}"
    path += f"Q{to_x:.1f} {top:.1f} {to_x:.1f} {top + 6:.1f}V{to_y:.1f}"
    return f'<path d="{path}" class="skip" marker-end="url(#tip)"/>'


def width_of(text: str) -> float:
    return LETTER_PX * len(text)
