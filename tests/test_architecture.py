"""The shape of the repository: who may import whom, what files may hold, and that the README's facts are facts."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sweeps", "segtrain", "analysis")
STDLIB_ONLY = ("segtrain/config.py", "segtrain/records.py", "segtrain/errors.py", "sweeps/engine/study.py",
               "sweeps/engine/options.py", "sweeps/engine/search.py", "sweeps/engine/found.py")  # fmt: skip
INSIDE_SEGTRAIN = {
    # module or package: what of segtrain it may import
    "errors": set(),
    "records": {"errors"},
    "config": {"errors", "records"},
    "data": {"config", "records", "errors"},
    "models": {"config", "errors"},
    "metrics": set(),
    "roc": set(),
    "boundary": set(),
    "object_size": {"records"},
    "optim": {"config"},
    "device": {"config"},
    "environment": {"device"},
    "flops": {"config", "models"},
    "batches": {"config", "data"},
    "checkpoint": {"config", "records"},
    "evaluate": {"batches", "boundary", "data", "device", "metrics", "object_size", "records", "roc"},
}


def sources(folder: str = ".") -> list[Path]:
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.is_relative_to(ROOT / folder)
    ]


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it; `from a import b` counts as a.b and a."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def test_the_folders_looked_at_are_there() -> None:
    assert all(len(sources(package)) > 3 for package in PACKAGES)


def test_only_the_engine_imports_ray_and_optuna() -> None:
    outside = [path for path in sources() if not path.is_relative_to(ROOT / "sweeps/engine")]
    assert [path for path in outside if roots(path) & {"ray", "optuna"}] == []
    assert any("ray" in roots(path) for path in sources("sweeps/engine"))


def test_segtrain_knows_neither_the_sweeps_nor_the_analysis() -> None:
    assert [path for path in sources("segtrain") if roots(path) & {"sweeps", "analysis", "pandas", "wandb"}] == []


def test_the_analysis_reads_records_and_needs_no_torch() -> None:
    for path in sources("analysis"):
        ours = {name for name in imports(path) if name.startswith(("segtrain", "sweeps"))}
        # Looking at data goes through the loaders of a sweep, which need no torch either.
        allowed = ("segtrain.records", "segtrain.data", "segtrain.errors")[: 3 if path.name == "data.py" else 1]
        assert {name for name in ours if not name.startswith(allowed)} <= {"segtrain"}, path
        assert not roots(path) & {"torch", "torchvision"}, path


def test_studies_import_no_study() -> None:
    for path in (ROOT / "sweeps").glob("*.py"):
        ours = {name for name in imports(path) if name.startswith("sweeps.")}
        assert {name for name in ours if not name.startswith("sweeps.engine.")} == set(), path


@pytest.mark.parametrize("name", STDLIB_ONLY)
def test_what_others_rely_on_needs_the_standard_library_only(name: str) -> None:
    assert roots(ROOT / name) <= sys.stdlib_module_names | {"segtrain", "sweeps"}


@pytest.mark.parametrize("module", INSIDE_SEGTRAIN)
def test_the_layers_inside_segtrain(module: str) -> None:
    """config, records <- models, data, metrics, optim <- evaluate, checkpoint <- train."""
    folder = ROOT / "segtrain" / module
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    modules = {path.stem for path in (ROOT / "segtrain").iterdir()}
    for path in paths:
        used = {part[1] for name in imports(path) if (part := name.split("."))[0] == "segtrain" and len(part) > 1}
        assert used & modules - {module} <= INSIDE_SEGTRAIN[module], path


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "README.md" in listed
    hosts = "|".join(["py" + r"pi\.org", "python" + "hosted", r"/ro" + "ot/", r"/ho" + "me/"])
    for name in listed:
        path = ROOT / name
        assert path.stat().st_size < 1_000_000, name
        if path.suffix != ".png":
            assert not re.search(hosts, path.read_text()), name


def test_every_path_and_command_in_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    for path in re.findall(r"(?:sweeps|segtrain|analysis|tests|benchmarks|docs)/[\w/.]*\w", readme):
        assert (ROOT / path).exists(), path
    targets = re.findall(r"(?:^|`)make (\w+)(?:$|`)", readme, re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for link in re.findall(r"\]\(([^)#]+)\)", readme):
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_every_flag_in_the_readme_is_one() -> None:
    from sweeps import fcn_grid, lr_search
    from sweeps.engine.cli import build_parser, build_search_parser

    study = set(build_parser(fcn_grid.STUDY)._option_string_actions)
    search = set(build_search_parser(lr_search.SEARCH, lr_search.DEMO)._option_string_actions)
    lines = (ROOT / "README.md").read_text().splitlines()
    for script in sorted(path.name for path in (ROOT / "sweeps").glob("[a-z]*.py")):
        commands = [line for line in lines if f"sweeps/{script}" in line]
        assert commands, f"the README does not show {script}"
        used = {flag for line in commands for flag in re.findall(r"(?<!\w)--[a-z-]+", line)}
        assert used <= (search if script == "lr_search.py" else study), (script, used)
    # The command line is small on purpose: a new flag is a decision, and this line is where it is taken.
    shared = {
        "-h", "--help", "--num-gpus", "--gpus-per-trial", "--cpus-per-trial", "--dataset", "--data-root", "--download",
        "--out", "--set", "--seeds", "--plan", "--demo", "--address", "--wandb", "--strict",
    }  # fmt: skip
    assert study == shared | {"--lr-from"}
    assert search == shared | {
        "--arch", "--freeze", "--trials", "--try", "--search", "--pruner", "--sampler-seed", "--storage",
    }  # fmt: skip
