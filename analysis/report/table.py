"""A table that is defined once and written four times: CSV with raw numbers, Markdown, LaTeX and HTML with words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.statistics.estimates import interval_text
from segtrain import records

# Brackets and stars are arguments of a preceding end of row.
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "[": "{[}", "*": "{*}", "±": r"$\pm$", "×": r"$\times$", "−": r"$-$",
    "…": r"\dots{}", "≥": r"$\geq$", "–": "--",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Column:
    """`texts` are shown under `title`, blank where a number is missing; `values`, by name, go to the CSV file. The
    first of the values sorts the column; `numeric` ones stand to the right."""

    title: str
    texts: list[str]
    values: Mapping[str, Sequence[Any]]
    numeric: bool = False

    def sort_keys(self) -> list[str]:
        first = next(iter(self.values.values()))
        return ["" if pd.isna(value) else str(value) for value in first]


@dataclass(frozen=True, eq=False)
class Table:
    """`note` says what the numbers are, and stands alone when there are no rows."""

    name: str
    title: str
    note: str
    columns: list[Column] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.columns[0].texts) if self.columns else 0

    def rows(self) -> list[tuple[str, ...]]:
        return list(zip(*(column.texts for column in self.columns), strict=True))

    def csv(self) -> str:
        values = {
            name: [_harmless(c) for c in cells] for column in self.columns for name, cells in column.values.items()
        }
        return pd.DataFrame(values).to_csv(index=False)

    def markdown(self) -> str:
        if not len(self):
            return f"## {self.title}\n\n{self.note}\n"
        titles = [_markdown(column.title) for column in self.columns]
        rows = [[_markdown(text) for text in row] for row in self.rows()]
        widths = [max(len(title), *(len(row[i]) for row in rows), 3) for i, title in enumerate(titles)]
        right = [column.numeric for column in self.columns]
        rule = ["-" * (width - 1) + ":" if r else "-" * width for width, r in zip(widths, right, strict=True)]
        lines = [_pad(row, widths, right) for row in (titles, rule, *rows)]
        return "## {}\n\n{}\n\n{}\n".format(self.title, "\n".join(lines), self.note)

    def latex(self) -> str:
        """A tabular of booktabs; the title and the note, which a caption would say, are comments."""
        comments = [f"% {line}" for line in (*self.title.splitlines(), *self.note.splitlines())]
        if not len(self):
            return "\n".join(comments) + "\n"
        places = "".join("r" if column.numeric else "l" for column in self.columns)
        lines = [" & ".join(latex_text(text) for text in row) + r" \\" for row in self.rows()]
        head = " & ".join(latex_text(column.title) for column in self.columns) + r" \\"
        body = [rf"\begin{{tabular}}{{{places}}}", r"\toprule", head, r"\midrule", *lines, r"\bottomrule"]
        return "\n".join([*comments, *body, r"\end{tabular}"]) + "\n"

    def write(self, folder: Path) -> list[Path]:
        contents = {"csv": self.csv(), "md": self.markdown(), "tex": self.latex()}
        for kind, content in contents.items():
            records.write_atomic(folder / f"{self.name}.{kind}", content.encode())
        return [folder / f"{self.name}.{kind}" for kind in contents]


def _harmless(cell: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front, which it shows as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _pad(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
    return f"| {' | '.join(padded)} |"


def _markdown(text: str) -> str:
    """One line that cannot end its cell nor be taken for HTML."""
    line = re.sub(r"\s+", " ", text).replace("|", "\\|")
    return line.replace("<", "&lt;")


def latex_text(text: str) -> str:
    """Text as LaTeX shows it. A character that pdflatex's fonts may lack is written as its code point."""
    line = re.sub(r"\s+", " ", text)
    return "".join(LATEX.get(c, c if c.isascii() else f"{{[}}U+{ord(c):04X}]") for c in line)


def words(title: str, name: str, values: Iterable[Any]) -> Column:
    """A column of texts; a missing one is blank."""
    found = list(values)
    return Column(title, ["" if pd.isna(value) else str(value) for value in found], {name: found})


def numbers(title: str, name: str, values: Iterable[Any], form: str, scale: float = 1) -> Column:
    """A column of numbers shown as `value * scale` in the format `form`; a missing one is blank."""
    found = list(values)
    texts = ["" if pd.isna(value) else format(value * scale, form) for value in found]
    return Column(title, texts, {name: found}, numeric=True)


def spread(title: str, frame: pd.DataFrame, name: str, form: str, scale: float = 1, label: str | None = None) -> Column:
    """Means `name` of `frame` with half of their 95 % interval, where there is one, and the count of their seeds."""
    names = {"": label or name} | {part: f"{label or name}{part}" for part in ("_low", "_high", "_n")}
    values = {names[part]: list(frame[f"{name}{part}"]) for part in names}
    rows = zip(*values.values(), strict=True)
    texts = [interval_text(mean, high - mean, n, form, scale) for mean, _, high, n in rows]
    return Column(title, texts, values, numeric=True)


def write_tables(tables: Iterable[Table], folder: Path) -> list[Path]:
    """Writes `<name>.csv`, `<name>.md` and `<name>.tex` of each table into `folder`, which is made when absent."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for table in tables for path in table.write(folder)]
