import csv
import shutil
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.inference.estimates import interval_text
from analysis.read.frames import load
from analysis.report import provenance
from analysis.report.tables import claims_table, result_tables
from analysis.report.tables.class_tables import class_tables
from analysis.report.tables.settings_table import settings_table
from analysis.report.tables.table import ANYTHING, Column, Table, latex_text, numbers, spread, words, write_tables
from analysis.statistics import claims

NASTY = 'a|b <script>alert(1)</script> 50% & {x}_y^2 ~ \\ # $z$ "q" ± … é 中\nnext'
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex on the path")


def table() -> Table:
    columns = [
        words("run", "run", [NASTY, None, "[0, 1]"]),
        numbers("score %", "score", [0.25, float("nan"), 1.0], ".1f", 100),
    ]
    return Table("small", "A small table", "What it is.", columns)


def test_csv_holds_raw_numbers_and_blanks() -> None:
    read = pd.read_csv(StringIO(table().csv()))
    assert read["run"].tolist()[0] == NASTY
    assert read["score"].tolist()[0] == 0.25
    assert read.isna().values.tolist() == [[False, False], [True, True], [False, False]]


def test_markdown_is_one_line_a_row_and_escaped() -> None:
    lines = table().markdown().splitlines()
    assert len(lines) == 9
    assert lines[4].startswith("| a\\|b &lt;script>alert(1)&lt;/script> 50% & {x}_y^2 ~ \\ #")
    assert lines[4].endswith("é 中 next |    25.0 |")
    assert lines[3].endswith("- | ------: |")
    assert "<script" not in table().markdown()


def test_latex_is_booktabs_and_escaped() -> None:
    assert latex_text("5% & {x}_y^2 $ # ~ \\") == (
        r"5\% \& \{x\}\_y\textasciicircum{}2 \$ \# \textasciitilde{} \textbackslash{}"
    )
    assert latex_text("1.0 ± 0.5 中\n") == r"1.0 $\pm$ 0.5 {[}U+4E2D] "
    lines = table().latex().splitlines()
    assert lines[:8] == [
        r"\begin{table}",
        r"\centering",
        r"\caption[{A small table}]{A small table. What it is.}",
        r"\label{tab:small}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"run & score \% \\",
        r"\midrule",
    ]
    assert lines[-3:] == [r"\bottomrule", r"\end{tabular}", r"\end{table}"]


def test_latex_aligns_numbers_says_n_once_and_sets_the_best_in_bold() -> None:
    frame = pd.DataFrame({"x": [0.5, 0.25], "x_low": [0.4, np.nan], "x_high": [0.6, np.nan], "x_n": [2, 2]})
    table = Table("t", "T", "N.", [words("m", "m", ["a", "b"]), spread("x %", frame, "x", ".1f", 100, best="highest")])
    latex = table.latex()
    assert r"\caption[{T}]{T. N. Throughout: n=2.}" in latex
    assert r"\begin{tabular}{lr@{\,}r}" in latex
    assert r"m & \multicolumn{2}{c}{x \%} \\" in latex
    assert r"a & \textbf{50.0} & $\pm$ 10.0 \\" in latex
    assert "b & 25.0 & \\\\" in latex
    frame.loc[1, "x_n"] = 1
    latex = Table("t", "T", "N.", [spread("x %", frame, "x", ".1f", 100)]).latex()
    assert r"50.0 & $\pm$ 10.0 (n=2) \\" in latex
    assert r"25.0 & (n=1) \\" in latex
    assert "textbf" not in latex


def test_an_interval_does_not_reach_where_no_value_can() -> None:
    frame = pd.DataFrame({"x": [0.02, -0.02], "x_low": [-0.01, -0.05], "x_high": [0.05, 0.01], "x_n": [2, 2]})
    assert spread("x", frame, "x", ".1f", 100).texts[0] == "2.0 [0.0, 5.0] (n=2)"
    signed = spread("x", frame, "x", ".1f", 100, within=ANYTHING)
    assert Table("t", "T", "N.", [signed]).rows() == [("2.0 ± 3.0 (n=2)",), ("−2.0 ± 3.0 (n=2)",)]


def test_an_empty_table_is_its_sentence() -> None:
    empty = Table("small", "A small table", "Nothing yet.")
    assert empty.markdown() == "## A small table\n\nNothing yet.\n"
    assert empty.latex() == "% A small table\n% Nothing yet.\n"
    assert empty.csv() == "\n"
    assert len(empty) == 0


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((0.3716, 0.0104, 3), "37.16 ± 1.04 (n=3)"), ((0.5, np.nan, 1), "50.00 (n=1)"), ((np.nan, np.nan, 0), "")],
)
def test_an_interval_says_its_seeds(numbers: tuple[float, float, int], text: str) -> None:
    assert interval_text(*numbers) == text


def test_a_spread_column_has_all_four_numbers_in_the_csv() -> None:
    frame = pd.DataFrame({"x": [0.5], "x_low": [0.4], "x_high": [0.6], "x_n": [2]})
    column = spread("x %", frame, "x", ".0f", 100)
    assert column.texts == ["50 ± 10 (n=2)"]
    assert {name: list(values) for name, values in column.values.items()} == {
        "x": [0.5],
        "x_low": [0.4],
        "x_high": [0.6],
        "x_n": [2],
    }


def test_sort_keys_are_numbers_and_not_what_is_shown() -> None:
    assert numbers("t", "t", [9.5, None, 10], ".0e").sort_keys() == ["9.5", "", "10"]
    assert Column("runtime", ["2m 00s", ""], {"s": [120.0, np.nan]}, True).sort_keys() == ["120.0", ""]


def test_tables_are_written_three_times(tmp_path: Path) -> None:
    paths = write_tables([table()], tmp_path / "tables")
    assert [path.name for path in paths] == ["small.csv", "small.md", "small.tex"]
    assert sorted((tmp_path / "tables").iterdir()) == sorted(paths)


@needs_latex
def test_every_table_of_a_report_compiles(builder: Any, tmp_path: Path) -> None:
    for seed in range(2):
        builder.trial(test=0.5 + seed / 10, seed=seed)
        builder.trial(test=0.4, seed=seed, freeze="encoder")
    builder.trial([], state="failed", reason=NASTY, lr=0.1)
    claim = {"text": NASTY, "left": {"freeze": "none"}, "right": {"freeze": "encoder"}, "source": NASTY}
    study = load(builder.write(title=NASTY, claims=[claim]))
    written = [
        *result_tables.all_tables(study),
        settings_table(study),
        *class_tables(study),
        claims_table.claims_table(claims.judge_all(study)),
        provenance.table(study),
        table(),
    ]
    write_tables(written, tmp_path)
    inputs = "\n".join(rf"\input{{{each.name}.tex}}\clearpage" for each in written)
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{inputs}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 1000


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", '=HYPERLINK("http://x")'])
def test_a_text_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    table = Table("t", "T", "", [words("w", "w", [text, "a"]), numbers("n", "n", [-1.5, 2], "g")])
    rows = list(csv.reader(StringIO(table.csv())))
    assert rows == [["w", "n"], [f"'{text}", "-1.5"], ["a", "2.0"]]
