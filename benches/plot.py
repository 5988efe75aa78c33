"""A dot plot as an SVG that follows the reader's light or dark theme."""

import math
from html import escape
from pathlib import Path

ROW, LEFT, WIDTH, TOP = 26, 250, 460, 64
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #24292f }
    .title { font-size: 15px; font-weight: 600 }
    .small { font-size: 12px; fill: #57606a }
    .grid { stroke: #d8dee4 } .one { stroke: #57606a; stroke-width: 1.5 }
    .s0 { fill: #0b66c3 } .s1 { fill: #c2570c }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .small { fill: #9da7b3 }
      .grid { stroke: #30363d } .one { stroke: #9da7b3 }
      .s0 { fill: #58a6ff } .s1 { fill: #f0883e }
    }"""


def mark(kind, x, y):
    if kind == 0:
        return f'<circle class="s0" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    return f'<path class="s1" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"/>'


def dots(path, title, series, rows, ticks, unit, log=False, reference=None):
    """One line per row of (label, [value or None for each series]); `ticks` span the axis."""
    scale = math.log if log else float
    low, high = scale(ticks[0]), scale(ticks[-1])
    right, bottom = LEFT + WIDTH, TOP + ROW * len(rows)

    def across(value):
        value = min(max(value, ticks[0]), ticks[-1])
        return LEFT + WIDTH * (scale(value) - low) / (high - low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + 70}" height="{bottom + 36}"'
           f' viewBox="0 0 {right + 70} {bottom + 36}" role="img">',
           f"<title>{escape(title)}</title><style>{STYLE}</style>",
           f'<text class="title" x="8" y="22">{escape(title)}</text>']
    for kind, name in enumerate(series):
        x = LEFT + 130 * kind
        out += [mark(kind, x, 42), f'<text class="small" x="{x + 12}" y="46">{escape(name)}</text>']
    for tick in ticks:
        style = "one" if tick == reference else "grid"
        x = across(tick)
        out += [f'<line class="{style}" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>',
                f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
                f"{tick:g}{unit}</text>"]
    for index, (label, values) in enumerate(rows):
        y = TOP + ROW * (index + 0.5)
        out.append(f'<text x="{LEFT - 14}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>')
        known = [(kind, value) for kind, value in enumerate(values) if value is not None]
        out += [mark(kind, across(value), y) for kind, value in reversed(known)]
        if known:
            text = " / ".join(f"{value:.0f}" if unit == "%" else f"{value:.2f}"
                              for _, value in known)
            out.append(f'<text class="small" x="{right + 12}" y="{y + 4:.1f}">{text}</text>')
    Path(path).write_text("\n".join([*out, "</svg>\n"]))
