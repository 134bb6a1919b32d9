"""Code of the user's own: imported, its errors told by file and line, its source known by its content."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segtrain import own_code
from segtrain.own_code import CodeError, describe_error, digest, import_object, sources


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """write(file, source) -> its path, in a folder that modules are imported from."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    own_code.make_importable([str(tmp_path)])

    def source_file(name: str, source: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        own_code.make_importable([])
        return path

    yield source_file
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sources.cache_clear()


Write = Callable[[str, str], Path]


def test_what_is_named_is_imported(write: Write) -> None:
    write("alpha.py", "def build():\n    return 7\n")
    assert import_object("alpha:build", "arch")() == 7


@pytest.mark.parametrize(
    ("source", "name", "sentence"),
    [
        ("", "beta:build", "arch is 'beta:build' and {file} has no build; correct the name"),
        ("builds = 1", "beta:build", "arch is 'beta:build' and {file} has no build; did you mean builds?"),
        ("\n1 / 0", "beta:b", "arch is 'beta:b', and importing it failed: {file}, line 2: ZeroDivisionError: "
         "division by zero"),
        ("import sys\nsys.exit(3)", "beta:b", "arch is 'beta:b', and importing it failed: {file}, line 2: SystemExit: "
         "3"),
        ("x = (", "beta:b", "arch is 'beta:b', and importing it failed: {file}, line 1: SyntaxError: '(' was never "
         "closed"),
        ("import nosuchthing", "beta:b", "arch is 'beta:b', and importing it failed: {file}, line 1: "
         "ModuleNotFoundError: No module named 'nosuchthing'"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported(write: Write, source: str, name: str, sentence: str) -> None:
    file = write("beta.py", source)
    with pytest.raises(CodeError, match=f"^{re.escape(sentence.format(file=file))}$"):
        import_object(name, "arch")


@pytest.mark.parametrize("name", ["nosuchmodule:b", "nosuchmodule.inside:b"])
def test_a_module_that_is_not_there(name: str, write: Write) -> None:
    with pytest.raises(CodeError, match=rf"^arch is '{name}' and there is no module nosuchmodule, neither beside"):
        import_object(name, "arch")


def test_an_error_is_told_at_the_last_own_line(write: Write) -> None:
    file = write("gamma.py", "import json\n\n\ndef read():\n    return json.loads('{')\n")
    read = import_object("gamma:read", "arch")
    try:
        read()
    except ValueError as error:
        told = describe_error(error)
    assert told.startswith(f"{file}, line 5: JSONDecodeError: Expecting property name")


def test_the_source_is_the_module_or_its_whole_package(write: Write) -> None:
    write("delta.py", "build = print\n")
    write("pack/__init__.py", "")
    write("pack/nets.py", "from pack import parts\n\nbuild = parts.build\n")
    write("pack/parts.py", "build = print\n")
    write("pack/notes.txt", "no code")
    import_object("delta:build", "arch")
    import_object("pack.nets:build", "arch")
    assert sources("delta:build") == {"delta.py": b"build = print\n"}
    assert set(sources("pack.nets:build")) == {"pack/__init__.py", "pack/nets.py", "pack/parts.py"}


def test_the_source_is_that_which_was_imported(write: Write) -> None:
    file = write("epsilon.py", "build = print\n")
    import_object("epsilon:build", "arch")
    file.write_text("build = sum\n")
    assert sources("epsilon:build") == {"epsilon.py": b"build = print\n"}


def test_of_an_installed_package_the_module_alone() -> None:
    import_object("torchvision.models.resnet:resnet18", "arch")
    assert set(sources("torchvision.models.resnet:resnet18")) == {"resnet.py"}


def test_the_digest_is_of_names_and_contents() -> None:
    files = {"a.py": b"1", "b.py": b"2"}
    assert digest(files) == digest(dict(reversed(files.items())))
    assert len({digest(files), digest({"a.py": b"2", "b.py": b"1"}), digest({"a.py": b"1"}), digest({})}) == 4


def test_only_sources_and_configurations_are_kept(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "old.py").write_text("")
    own_code.keep({"pack/a.py": b"1", "config.json": b"{}", "model.safetensors": b"2"}, tmp_path / "code")
    kept = {path.relative_to(tmp_path / "code").as_posix() for path in (tmp_path / "code").rglob("*.*")}
    assert kept == {"pack/a.py", "config.json"}
