"""Code that a file names runs only as the user ran it before; what the user names runs, and is noted."""

from __future__ import annotations

import py_compile
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainctl.engine.config.schema import OpenConfig
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import reading, trusting, usual
from trainctl.engine.tasks.neighbours import Neighbours
from trainctl.engine.tasks.own_code import import_code
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.tasks.trust import MAX_BYTES, note, notes_path, require_trust

TASK = """
from pathlib import Path
Path({mark!r}).touch()
import helper
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.tasks.task import Task
class Config(RunConfig):
    width: int = 7
class Mine(Task):
    config_type = Config
"""


class Code:
    """A task in a file, with a neighbour it imports; leaves a mark when it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, folder / "it-ran"
        self.file, self.helper = folder / "mine.py", folder / "helper.py"
        folder.mkdir(exist_ok=True)
        self.file.write_text(TASK.format(mark=str(self.mark)))
        self.helper.write_text("")
        self.name = f"{self.file}:Mine"

    def leave(self) -> None:
        """Another process begins: nothing of it is imported, nothing has run."""
        for name in ("trainctl_user_mine", "helper", "mine", "package", "package.mine"):
            sys.modules.pop(name, None)
        for name in ("late", "plistlib", "package.late"):
            sys.modules.pop(name, None)
        sys.path[:] = [entry for entry in sys.path if Path(entry) != self.folder]
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Neighbours)]
        self.mark.unlink(missing_ok=True)

    def preset(self) -> Path:
        path = self.folder / "mine.yaml"
        path.write_text(f"task: {self.name}\nwidth: 3\nextra: {{a: {{b: 1}}, c: [1, 2]}}\n")
        return path


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Code]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = Code(tmp_path / "code")
    found.leave()
    yield found
    found.leave()


def test_what_a_file_names_does_not_run(code: Code) -> None:
    with pytest.raises(UserError, match=r"the task would run .*mine\.py, which you have not run before; read it"):
        usual.resolve(str(code.preset()))
    assert not code.mark.exists()


def test_what_the_user_names_runs_and_may_then_be_named_by_a_file(code: Code) -> None:
    assert usual.resolve(task=code.name).values()["width"] == 7
    assert code.mark.exists()
    code.leave()
    require_trust(code.file)
    path = code.preset()
    path.write_text(f"task: {code.name}\nwidth: 3\n")
    assert usual.resolve(str(path)).values()["width"] == 3
    assert code.mark.exists()


def change_the_task(code: Code) -> None:
    code.file.write_text(code.file.read_text() + "# changed\n")


def change_what_it_imports(code: Code) -> None:
    code.helper.write_text("print('changed')\n")


def remove_what_it_imports(code: Code) -> None:
    code.helper.unlink()


@pytest.mark.parametrize("change", [change_the_task, change_what_it_imports, remove_what_it_imports])
def test_what_has_changed_since_does_not_run(code: Code, change: Callable[[Code], None]) -> None:
    usual.resolve(task=code.name)
    code.leave()
    change(code)
    with pytest.raises(UserError, match="has changed since you ran it"):
        task_type(code.name)
    assert not code.mark.exists()


def test_the_same_code_under_another_path_is_not_the_users(code: Code, tmp_path: Path) -> None:
    usual.resolve(task=code.name)
    code.leave()
    shutil.copytree(code.folder, tmp_path / "elsewhere")
    with pytest.raises(UserError, match="have not run before"):
        task_type(f"{tmp_path / 'elsewhere' / 'mine.py'}:Mine")
    assert not code.mark.exists()


def test_bytecode_that_lies_beside_trusted_code_does_not_run(code: Code) -> None:
    usual.resolve(task=code.name)
    code.leave()
    harm = code.folder / "harm.py"
    harm.write_text(f"open({str(code.folder / 'harm-ran')!r}, 'w')\n")
    cached = code.folder / "__pycache__" / f"mine.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(
        str(harm), cfile=str(cached), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    import_code(str(code.file), is_vouched=False)
    assert code.mark.exists() and not (code.folder / "harm-ran").exists()


def test_whoever_says_trust_runs_it_whoever_named_it(code: Code) -> None:
    code.preset().write_text(f"task: {code.name}\n")
    assert trusting.resolve(str(code.folder / "mine.yaml")).values()["width"] == 7
    code.leave()
    require_trust(code.file)


def test_reading_runs_nothing_and_keeps_what_it_does_not_know(code: Code, tmp_path: Path) -> None:
    resolved = reading.resolve(str(code.preset()), overrides=["extra.a=2", "extra.c.d=x", "train.epochs=3"])
    assert not code.mark.exists()
    assert type(resolved.config) is OpenConfig
    values = resolved.values()
    assert {key: values[key] for key in values if key.startswith(("width", "extra"))} == {
        "width": 3,
        "extra.a": 2,
        "extra.c.d": "x",
    }
    assert str(resolved.sources["width"]).startswith("preset ")
    written = tmp_path / "config.yaml"
    written.write_text(resolved.to_yaml())
    assert reading.load_resolved(written).values() == values
    with pytest.raises(UserError, match=r"unknown key train\.epoch; did you mean"):
        reading.resolve(str(code.preset()), overrides=["train.epoch=3"])


def test_reading_uses_what_this_process_has_imported(code: Code) -> None:
    usual.resolve(task=code.name)
    assert reading.resolve(task=code.name).values()["width"] == 7


def test_a_module_is_found_without_running_the_package_it_is_in(code: Code, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(code.folder)
    package = code.folder / "package"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(code.folder / 'package-ran')!r}, 'w')\n")
    shutil.move(code.file, package / "mine.py")
    with pytest.raises(UserError, match=r"would run .*package/mine\.py"):
        task_type("package.mine:Mine")
    assert not code.mark.exists() and not (code.folder / "package-ran").exists()
    import_code("package.mine", is_vouched=True)
    code.leave()
    require_trust(package / "mine.py")


@pytest.mark.parametrize("name", ["nothing:X", "package.nothing:X", ".:X", "a..b:X", "builtins:X"])
def test_a_module_that_is_not_there_is_one_line(code: Code, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(code.folder)
    with pytest.raises(UserError, match=r"task module not found|has no Task class"):
        task_type(name)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"/a": 1}'),
        lambda path: path.write_bytes(b" " * (MAX_BYTES + 1)),
        lambda path: path.chmod(0o666),
        lambda path: path.parent.chmod(0o777),
    ],
)
def test_notes_that_are_damaged_or_that_others_may_write_count_for_nothing(
    code: Code, spoil: Callable[[Path], object]
) -> None:
    note(code.file, [])
    require_trust(code.file)
    spoil(notes_path())
    with pytest.raises(UserError, match="have not run before"):
        require_trust(code.file)


def test_notes_that_cannot_be_written_are_no_reason_to_stop(code: Code, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    assert usual.resolve(task=code.name).values()["width"] == 7


HARM = "from pathlib import Path\nPath({mark!r}).touch()\n"


def a_library(folder: Path, harm: str) -> None:
    """A module of the standard library that nothing has imported yet."""
    (folder / "plistlib.py").write_text(harm)


def a_package_in_place_of_a_file(folder: Path, harm: str) -> None:
    (folder / "helper").mkdir()
    (folder / "helper" / "__init__.py").write_text(harm)


def a_link(folder: Path, harm: str) -> None:
    (folder.parent / "elsewhere.py").write_text(harm)
    (folder / "plistlib.py").symlink_to(folder.parent / "elsewhere.py")


def a_linked_package(folder: Path, harm: str) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "__init__.py").write_text(harm)
    (folder / "plistlib").symlink_to(folder.parent / "elsewhere")


def bytecode_alone(folder: Path, harm: str) -> None:
    source = folder.parent / "harm.py"
    source.write_text(harm)
    py_compile.compile(str(source), cfile=str(folder / "plistlib.pyc"), doraise=True)


@pytest.mark.parametrize(
    "plant",
    [a_library, a_package_in_place_of_a_file, a_link, a_linked_package, bytecode_alone],
    ids=lambda f: f.__name__,
)
def test_what_is_put_beside_trusted_code_does_not_run(code: Code, tmp_path: Path, plant: Callable[..., None]) -> None:
    usual.resolve(task=code.name)
    code.leave()
    sys.modules.pop("plistlib", None)
    plant(code.folder, HARM.format(mark=str(tmp_path / "harm-ran")))
    with pytest.raises(
        UserError, match=r"would import .*(plistlib|helper).*, which is not what you ran it with; .*--trust"
    ):
        import_code(str(code.file), is_vouched=False)
        import plistlib  # as any library may, later

        del plistlib
    assert not (tmp_path / "harm-ran").exists()


def test_cached_bytecode_of_a_neighbour_does_not_run(code: Code, tmp_path: Path) -> None:
    usual.resolve(task=code.name)
    code.leave()
    harm = tmp_path / "harm.py"
    harm.write_text(HARM.format(mark=str(tmp_path / "harm-ran")))
    cached = code.folder / "__pycache__" / f"helper.{sys.implementation.cache_tag}.pyc"
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(harm), cfile=str(cached), doraise=True, invalidation_mode=unchecked)
    import_code(str(code.file), is_vouched=False)
    assert code.mark.exists()
    assert not (tmp_path / "harm-ran").exists()


def test_what_is_imported_only_while_it_runs_is_part_of_it(code: Code) -> None:
    late = code.folder / "late.py"
    late.write_text("answer = 42\n")
    code.file.write_text(code.file.read_text() + "\ndef late():\n    import late\n    return late.answer\n")
    module = import_code(str(code.file), is_vouched=True)
    assert module.late() == 42
    code.leave()
    assert import_code(str(code.file), is_vouched=False).late() == 42
    code.leave()
    late.write_text("answer = 43\n")
    with pytest.raises(UserError, match=r"late\.py has changed since you ran it"):
        import_code(str(code.file), is_vouched=False)


def test_what_changes_after_the_look_does_not_run(code: Code) -> None:
    late = code.folder / "late.py"
    late.write_text("answer = 42\n")
    code.file.write_text(code.file.read_text() + "\ndef late():\n    import late\n    return late.answer\n")
    import_code(str(code.file), is_vouched=True).late()
    code.leave()
    module = import_code(str(code.file), is_vouched=False)
    late.write_text("answer = 43\n")
    with pytest.raises(UserError, match=r"would import .*late\.py, which is not what you ran it with"):
        module.late()


def test_installed_packages_are_nobodys_neighbours(code: Code) -> None:
    usual.resolve(task=code.name)
    code.leave()
    import_code(str(code.file), is_vouched=False)
    import sklearn.calibration  # some module that is not imported yet

    assert sklearn.calibration.__name__ == "sklearn.calibration"
