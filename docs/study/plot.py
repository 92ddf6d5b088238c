#!/usr/bin/env python3
"""Draws how much each run of a sweep gains on one of them, seed by seed.

    python3 plot.py SWEEP.json BASE OUT.svg

A dot is one seed's KL divergence less that of BASE with the same seed; left of the line is better.
"""

import json
import sys

LEFT, WIDTH, ROW, RIGHT = 150, 520, 20, 70


def main():
    source, base, out = sys.argv[1:]
    runs = json.load(open(source))["runs"]
    of_base = next(run for run in runs if run["name"] == base)["kl"]["values"]
    rows = []
    for run in runs:
        if run["name"] != base and len(run["kl"]["values"]) == len(of_base):
            offs = [value - own for value, own in zip(run["kl"]["values"], of_base)]
            rows.append((sum(offs) / len(offs), run["name"], run["bitsPerWeight"], offs))
    rows.sort()
    low = min(0, min(min(row[3]) for row in rows))
    high = max(0, max(max(row[3]) for row in rows))

    def x(value):
        return LEFT + 10 + (WIDTH - 20) * (value - low) / (high - low)

    height = ROW * (len(rows) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/>',
        f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="4" y2="{height - 24}" stroke="#888"/>',
    ]
    for i, (mean, name, bits, offs) in enumerate(rows):
        y = ROW * (i + 0.8)
        lines.append(f'<text x="{LEFT}" y="{y + 4:.0f}" text-anchor="end">{name}</text>')
        lines.append(f'<text x="{LEFT + WIDTH + 8}" y="{y + 4:.0f}" fill="#555">{bits:.3f} bits</text>')
        colour = "#1a7f37" if max(offs) < 0 else "#c0362c" if min(offs) > 0 else "#777"
        for off in offs:
            lines.append(f'<circle cx="{x(off):.1f}" cy="{y:.0f}" r="4" fill="{colour}" fill-opacity="0.7"/>')
    span = high - low
    step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if span / s <= 8)
    tick = -int(-low / step + 1e-9)
    while tick * step <= high + 1e-9:
        lines.append(f'<text x="{x(tick * step):.1f}" y="{height - 8}" text-anchor="middle" fill="#555">{tick * step:+.3g}</text>')
        tick += 1
    lines.append("</svg>")
    with open(out, "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
