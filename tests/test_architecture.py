"""The shape of the repository: who may import whom, what files may hold, and that the README's facts are facts."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sweeps", "segtrain", "analysis")
STDLIB_ONLY = (
    "segtrain/config.py",
    "segtrain/records.py",
    "segtrain/errors.py",
    "segtrain/fields.py",
    "segtrain/own_code.py",
    "segtrain/recipe.py",
    "segtrain/architectures.py",
    "segtrain/bounds.py",
    "segtrain/mismatches.py",
    "sweeps/engine/ask",
)
ROOMS = {
    # room (a module or a folder): the rooms of the same package that it may import
    "segtrain/fields": set(),
    "segtrain/errors": {"fields"},
    "segtrain/records": {"errors", "fields"},
    "segtrain/own_code": {"errors"},
    "segtrain/recipe": {"errors", "fields", "own_code"},
    "segtrain/architectures": {"own_code"},
    "segtrain/bounds": {"fields"},
    "segtrain/mismatches": {"architectures", "recipe"},
    "segtrain/config": {"architectures", "bounds", "errors", "fields", "mismatches", "own_code", "recipe", "records"},
    "segtrain/machine": {"config", "errors", "fields", "records"},
    "segtrain/mirror": {"errors", "machine", "records"},
    "segtrain/synthetic": {"machine"},
    "segtrain/data": {"config", "errors", "fields", "machine", "own_code", "records", "synthetic"},
    "segtrain/metrics": {"records"},
    "segtrain/models": {"architectures", "config", "errors", "own_code"},
    "segtrain/training": {
        "architectures",
        "config",
        "data",
        "errors",
        "fields",
        "machine",
        "metrics",
        "models",
        "own_code",
        "recipe",
        "records",
    },
    "segtrain/use": {"config", "data", "errors", "fields", "machine", "models", "own_code", "records", "training"},
    "sweeps/engine/ask": set(),
    "sweeps/engine/say": set(),
    "sweeps/engine/plan": {"ask", "say"},
    "sweeps/engine/run": {"ask", "plan", "say"},
    "sweeps/engine/manage": set(),
    "sweeps/engine/cli": {"ask", "plan", "run"},
    "analysis/read": set(),
    "analysis/inference": set(),
    "analysis/statistics": {"inference", "read"},
    "analysis/draw": {"inference", "read", "statistics"},
    "analysis/watch": {"read", "report", "statistics"},
    "analysis/report": {"draw", "inference", "read", "statistics"},
}
MOST_MODULES = 12  # of a room; one that holds more is two
LOOKS_AT_DATA = ("read/dataset_survey.py", "draw/dataset_samples.py", "report/dataset_report.py")
"""Of the analysis: goes through the loaders of a sweep, which need no torch either."""


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


def test_only_what_runs_sweeps_imports_ray_and_optuna() -> None:
    outside = [path for path in sources() if not path.is_relative_to(ROOT / "sweeps/engine/run")]
    libraries = {"ray", "optuna", "wandb", "mlflow"}
    assert [path for path in outside if roots(path) & libraries] == []
    assert libraries <= {name for path in sources("sweeps/engine/run") for name in roots(path)}


def test_statistics_draw_nothing() -> None:
    for path in [*sources("analysis/read"), *sources("analysis/statistics")]:
        assert not roots(path) & {"matplotlib", "plotly", "jinja2"}, path


def test_the_engine_asks_statistics_and_statistics_know_no_engine() -> None:
    """The claims say what is trained next; what is drawn and shown of them is no matter of the engine's."""
    allowed = ("analysis.inference", "analysis.statistics", "analysis.read")
    for path in sources("sweeps"):
        ours = {name for name in imports(path) if name.startswith("analysis")}
        assert all(name.startswith(allowed) for name in ours), path
        assert not ours or {"plan", "run", "manage"} & set(path.parts), path
    assert [path for path in sources("analysis") if "sweeps" in roots(path)] == []


def test_segtrain_knows_neither_the_sweeps_nor_the_analysis() -> None:
    assert [path for path in sources("segtrain") if roots(path) & {"sweeps", "analysis", "pandas", "wandb"}] == []


def test_the_analysis_reads_records_and_needs_no_torch() -> None:
    for path in sources("analysis"):
        ours = {name for name in imports(path) if name.startswith(("segtrain", "sweeps"))}
        looks_at_data = path.relative_to(ROOT / "analysis").as_posix() in LOOKS_AT_DATA
        allowed = ("segtrain.records", "segtrain.fields", "segtrain.errors", "segtrain.mirror", "segtrain.data")[
            : 5 if looks_at_data else 4
        ]
        assert {name for name in ours if not name.startswith(allowed)} <= {"segtrain"}, path
        assert not roots(path) & {"torch", "torchvision"}, path


def test_no_trial_and_no_sweep_goes_by_the_wall_clock() -> None:
    """Which may jump while they run; durations and waits are of monotonic clocks. Trackers want to know when it was."""
    clock = re.compile(r"\btime\.(time|localtime|gmtime)\b|\bfrom time import|datetime\.(now|today|utcnow)\b")
    tracking = sources("sweeps/engine/run/tracking")
    for path in {*sources("segtrain"), *sources("sweeps/engine/run")} - set(tracking):
        assert not clock.search(path.read_text()), path


def test_studies_import_no_study() -> None:
    for path in (ROOT / "sweeps").glob("*.py"):
        ours = {name for name in imports(path) if name.startswith("sweeps.")}
        assert {name for name in ours if not name.startswith("sweeps.engine.")} == set(), path


@pytest.mark.parametrize("name", STDLIB_ONLY)
def test_what_others_rely_on_needs_the_standard_library_only(name: str) -> None:
    paths = sources(name)
    assert paths
    for path in paths:
        assert roots(path) <= sys.stdlib_module_names | {"segtrain", "sweeps"}, path


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_those_below_it(room: str) -> None:
    package = room.rpartition("/")[0]
    rooms = {other.removeprefix(f"{package}/") for other in ROOMS if other.rpartition("/")[0] == package}
    paths = sources(room) or sources(f"{room}.py")
    assert paths
    for path in paths:
        prefix = package.replace("/", ".") + "."
        ours = {name.removeprefix(prefix).partition(".")[0] for name in imports(path) if name.startswith(prefix)}
        assert ours & rooms - {room.rpartition("/")[2]} <= ROOMS[room], path


def test_every_module_is_in_a_room_and_no_room_is_crowded() -> None:
    tops = ("sweeps/*.py", "sweeps/engine/__init__.py", "segtrain/__*__.py", "analysis/__*__.py")
    outside = {path for pattern in tops for path in ROOT.glob(pattern)}
    housed = {path for room in ROOMS for path in sources(room) or sources(f"{room}.py")}
    assert set(sources()) == housed | outside
    for folder in {path.parent for path in housed}:
        assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= MOST_MODULES, folder


def test_no_two_modules_have_one_name_or_one_that_is_the_others_plural() -> None:
    names = [path.stem for path in sources() if path.parent != ROOT / "sweeps" and not path.stem.startswith("__")]
    assert sorted(names) == sorted(set(names))
    assert [name for name in names if f"{name}s" in names] == []
    assert [path for path in sources() if path.stem != "__init__" and not path.read_text().startswith('"""')] == []


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "README.md" in listed
    hosts = "|".join(["py" + r"pi\.org", "python" + "hosted", r"/ro" + "ot/", r"/ho" + "me/"])
    for name in listed:
        path = ROOT / name
        assert path.stat().st_size < 1_000_000, name
        if path.suffix != ".png":
            assert not re.search(hosts, path.read_text()), name


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_target_and_link_of_a_page_exists(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"(?<![\w./])(?:sweeps|segtrain|analysis|tests|benchmarks|docs)/[\w/.-]*\w", text):
        assert (ROOT / path).exists(), path
    targets = re.findall(r"(?:^|`)make (\w+)(?:$|`)", text, re.MULTILINE)
    assert page.name != "README.md" or {"demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_every_flag_on_a_page_is_one() -> None:
    from sweeps import fcn_grid, lr_search
    from sweeps.engine.cli import build_parser, build_search_parser

    study = set(build_parser(fcn_grid.STUDY)._option_string_actions)
    search = set(build_search_parser(lr_search.SEARCH, lr_search.DEMO)._option_string_actions)
    lines = [line for page in PAGES for line in page.read_text().splitlines()]
    for script in sorted(path.name for path in (ROOT / "sweeps").glob("[a-z]*.py")):
        commands = [
            line.partition(script)[2] for line in lines if f"sweeps/{script}" in line
        ]  # what starts it is its own
        assert commands, f"no page shows {script}"
        used = {flag for line in commands for flag in re.findall(r"(?<!\w)--[a-z-]+", line)}
        assert used <= (search if script == "lr_search.py" else study), (script, used)
    # The command line is small on purpose: a new flag is a decision, and this line is where it is taken.
    shared = {
        "-h", "--help", "--num-gpus", "--gpus-per-trial", "--cpus-per-trial", "--data", "--dataset", "--data-root",
        "--memory-per-trial", "--gpu-type",
        "--download", "--out", "--set", "--seeds", "--plan", "--demo", "--address", "--hung-after", "--track",
        "--wandb", "--mirror", "--from-mirror", "--code", "--notify", "--budget", "--extendable",
        "--strict",
        "--pretrain",
    }  # fmt: skip
    assert study == shared | {"--lr-from", "--replicates", "--until-decided"}
    assert search == shared | {
        "--arch", "--freeze", "--trials", "--try", "--search", "--pruner", "--sampler-seed", "--storage",
    }  # fmt: skip
