"""A table that is defined once and written four times: CSV with raw numbers, Markdown, LaTeX and HTML with words."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from analysis.draw.ticks import minus
from analysis.statistics.counted import COUNTED
from segtrain import records

# Brackets and stars are arguments of a preceding end of row.
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "[": "{[}", "*": "{*}", "±": r"$\pm$", "×": r"$\times$", "−": r"$-$",
    "…": r"\dots{}", "≥": r"$\geq$", "–": "--",
}  # fmt: skip


ANYTHING = (-math.inf, math.inf)
"""Where differences lie."""


class Part(NamedTuple):
    """A number of a LaTeX table: `mean`, `around` (± or brackets, or nothing) and `remarks`, which a caption says once
    where every number of the table has them."""

    mean: str
    around: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Column:
    """`texts` are shown under `title`, blank where a number is missing; `values`, by name, go to the CSV file. The
    first of the values sorts the column, and names its `best` row; `numeric` ones stand to the right. `parts` are the
    texts taken apart, None where one is blank."""

    title: str
    texts: list[str]
    values: Mapping[str, Sequence[Any]]
    numeric: bool = False
    parts: Sequence[Part | None] | None = None
    best: Literal["highest", "lowest"] | None = None

    def sort_keys(self) -> list[str]:
        first = next(iter(self.values.values()))
        return ["" if pd.isna(value) else str(value) for value in first]

    def best_of(self) -> list[bool]:
        """Of each row, whether it is the best of several."""
        first = list(next(iter(self.values.values())))
        known = [value for value in first if not pd.isna(value)]
        if self.best is None or len(known) < 2:
            return [False] * len(first)
        end = max(known) if self.best == "highest" else min(known)
        return [bool(not pd.isna(value) and value == end) for value in first]


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
        texts = ([minus(text) for text in c.texts] if c.numeric else c.texts for c in self.columns)
        return list(zip(*texts, strict=True))

    def csv(self) -> str:
        values = {
            name: [harmless(c) for c in cells] for column in self.columns for name, cells in column.values.items()
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
        """A table float of booktabs, for \\input: caption, label, numbers aligned at their points, the best in bold.
        Without rows it is its sentence, as a comment."""
        if not len(self):
            return "\n".join(f"% {line}" for line in (*self.title.splitlines(), *self.note.splitlines())) + "\n"
        once = self._remarks_of_all()
        cells = zip(*(_latex_cells(column, once) for column in self.columns), strict=True)
        places = "".join(r"r@{\,}r" if c.parts else "r" if c.numeric else "l" for c in self.columns)
        titles = [latex_text(column.title) for column in self.columns]
        heads = (rf"\multicolumn{{2}}{{c}}{{{t}}}" if c.parts else t for t, c in zip(titles, self.columns, strict=True))
        everywhere = f" Throughout: {', '.join(once)}." if once else ""
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption[{{{latex_text(self.title)}}}]{{{latex_text(f'{self.title}. {self.note}{everywhere}')}}}",
            rf"\label{{tab:{self.name}}}",
            rf"\begin{{tabular}}{{{places}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in cells),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def _remarks_of_all(self) -> tuple[str, ...]:
        """The remarks that every number with parts has."""
        parts = [part for column in self.columns for part in column.parts or () if part]
        return tuple(remark for remark in parts[0].remarks if all(remark in p.remarks for p in parts)) if parts else ()

    def write(self, folder: Path) -> list[Path]:
        contents = {"csv": self.csv(), "md": self.markdown(), "tex": self.latex()}
        for kind, content in contents.items():
            records.write_atomic(folder / f"{self.name}.{kind}", content.encode())
        return [folder / f"{self.name}.{kind}" for kind in contents]


def harmless(cell: Any) -> Any:
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


def numbers(
    title: str, name: str, values: Iterable[Any], form: str, scale: float = 1, counted: Sequence[str] | None = None
) -> Column:
    """A column of numbers shown as `value * scale` in the format `form`; a missing one is blank. `counted` says of a
    mean over fewer classes than there are which it counts."""
    found = list(values)
    texts = ["" if pd.isna(value) else format(value * scale, form) for value in found]
    columns = {name: found}
    if counted is not None:
        texts = [f"{text} ({few})" if text and few else text for text, few in zip(texts, counted, strict=True)]
        columns[f"{name}_counted"] = list(counted)
    return Column(title, texts, columns, numeric=True)


def spread(
    title: str,
    frame: pd.DataFrame,
    name: str,
    form: str,
    scale: float = 1,
    *,
    within: tuple[float, float] | None = None,
    best: Literal["highest", "lowest"] | None = None,
) -> Column:
    """Means `name` of `frame` with half of their 95 % interval, where there is one, and the count of their seeds. An
    interval that would reach beyond `within`, as no value can, is shown by its ends: what is shown in percent lies
    within 0 and 1, and all else above 0, unless it is said. A mean over fewer classes than there are says how many."""
    within = within or (0, 1 if scale == 100 else math.inf)
    values = {f"{name}{part}": list(frame[f"{name}{part}"]) for part in ("", "_low", "_high", "_n")}
    parts = [part(*numbers, form=form, scale=scale, within=within) for numbers in zip(*values.values(), strict=True)]
    if name in COUNTED:
        counted = ["" if pd.isna(few) else few for few in frame[COUNTED[name]]]
        parts = [with_counted(p, few) for p, few in zip(parts, counted, strict=True)]
        values[f"{name}_counted"] = counted
    return Column(title, [part_text(p) for p in parts], values, numeric=True, parts=parts, best=best)


def with_counted(found: Part | None, counted: str) -> Part | None:
    return found._replace(remarks=(*found.remarks, f"{counted} classes")) if found and counted else found


def part_text(found: Part | None) -> str:
    """`62.00 ± 25.41 (n=2, 12 of 13 classes)`; blank when missing."""
    return " ".join(filter(None, (found.mean, found.around, f"({', '.join(found.remarks)})"))) if found else ""


def part(
    mean: float,
    low: float,
    high: float,
    n: int,
    *,
    form: str,
    scale: float = 100,
    within: tuple[float, float] = ANYTHING,
) -> Part | None:
    """None when the mean is missing."""
    if pd.isna(mean):
        return None
    around = ""
    if low < within[0] or high > within[1]:
        ends = (max(low, within[0]), min(high, within[1]))
        around = f"[{', '.join(format(end * scale, form) for end in ends)}]"
    elif not pd.isna(low):
        around = f"± {format((high - mean) * scale, form.lstrip('+'))}"
    return Part(format(mean * scale, form), around, (f"n={n}",))


def _latex_cells(column: Column, once: Sequence[str]) -> list[str]:
    """The cells of a column, each of two places where it has parts."""
    best = column.best_of()
    found = []
    for text, part_, bold in zip(column.texts, column.parts or [None] * len(column.texts), best, strict=True):
        if part_ is None:
            shown = latex_text(minus(text) if column.numeric else text)
            found.append(f"{shown} &" if column.parts else rf"\textbf{{{shown}}}" if bold else shown)
            continue
        mean = latex_text(minus(part_.mean))
        rest = ", ".join(remark for remark in part_.remarks if remark not in once)
        behind = latex_text(" ".join(filter(None, (minus(part_.around), f"({rest})" if rest else ""))))
        found.append((rf"\textbf{{{mean}}}" if bold else mean) + f" & {behind}".rstrip())
    return found


def write_tables(tables: Iterable[Table], folder: Path) -> list[Path]:
    """Writes `<name>.csv`, `<name>.md` and `<name>.tex` of each table into `folder`, which is made when absent."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for table in tables for path in table.write(folder)]
