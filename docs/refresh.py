"""Puts the results of a study into the README: `python docs/refresh.py <out>/studies/<name>`, after its report.

Replaces the tables between the README's two markers, and the pictures beside this file. Needs a Chromium.
"""

import re
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from segtrain.records import REPORT_DIR

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
BEGIN, END = "<!-- results: make readme -->", "<!-- end of results -->"
TABLES = ("architecture_by_freeze", "claims")
# Columns of the claims that are in the report.
LEFT_OUT = (
    "test", "note", "source", "over images [95 %]", "[90 %]", "left: seeds", "right: seeds", "p alone",
    "flattered by", "lacks",
)  # fmt: skip
WIDTH_PX, HEIGHT_PX = 1280, 1500


def tables(report: Path) -> str:
    parts = []
    for name in TABLES:
        _, *lines = (report / "tables" / f"{name}.md").read_text().splitlines()
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("|")]
        kept = [number for number, title in enumerate(rows[0]) if title not in LEFT_OUT]
        parts.append("\n".join("| " + " | ".join(row[number] for number in kept) + " |" for row in rows))
    return "\n\n".join(parts)


def main(study: Path) -> None:
    report = study.absolute() / REPORT_DIR
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n\n{tables(report)}\n\n{END}{after}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        page = chromium.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
        page.goto(f"file://{report / 'index.html'}")
        page.wait_for_selector("#chart-forest .main-svg")
        page.screenshot(path=DOCS / "report.png")
        chromium.close()
    for name, source in (("report.png", DOCS / "report.png"), ("panels.png", report / "figures" / "panels.png")):
        with Image.open(source) as picture:
            small = picture.convert("RGB").resize((900, round(900 * picture.height / picture.width)))
        small.quantize(128).save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
