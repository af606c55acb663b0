"""What is built is what is used: the wheel holds every file of the packages and works without the checkout.

An editable installation reads the folders themselves, so a package or a kind of file that `pyproject.toml` forgets is
missed by every other test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("engine", "tui", "presets")
KINDS = {".py", ".yaml", ".tcss", ".css", ".html", ".typed", ".txt"}
FRONT, ADAPTERS = "engine/front/", "engine/adapters/"
"""What is installed as `trainctl` and `trainctl.adapters` themselves, and nowhere else."""

TINY = [
    "data.samples=160",
    "data.image_size=[16,16]",
    "model.base_channels=4",
    "model.num_blocks=2",
    "train.batch_size=16",
    "train.epochs=2",
]


def output(command: Sequence[str | Path], folder: Path) -> str:
    """What a command prints in this folder; it must succeed."""
    # A PYTHONPATH into the checkout would be found before what is installed.
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of_the_checkout() -> list[Path]:
    """What git knows or would add, relative to the checkout: a new file counts before it is committed."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("no git checkout")
    return [Path(name) for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: in the checkout `build/` would bring back files that were deleted long ago."""
    place = tmp_path_factory.mktemp("wheel")
    for path in files_of_the_checkout():
        if path.parts[0] in FOLDERS or len(path.parts) == 1:
            (place / "source" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, place / "source" / path)
    # The setuptools that torch brings along is new enough: nothing is fetched.
    building = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    output([sys.executable, *building, "--wheel-dir", place, place / "source"], place)
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment where trainctl is from the wheel and all else from this environment."""
    place = tmp_path_factory.mktemp("installed")
    output([sys.executable, "-m", "venv", "--without-pip", place / "venv"], place)
    found = place / "venv" / "bin"
    installing = ["-m", "pip", f"--python={found / 'python'}", "install", "--quiet", "--no-deps", "--no-index"]
    output([sys.executable, *installing, wheel], place)
    # A folder named in a .pth file comes last in the search, and its own .pth files (the editable installation's) are
    # not read. After the installation, which would otherwise find that trainctl is there already.
    packages = output([found / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], place).strip()
    (Path(packages) / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return found


def test_the_wheel_holds_the_files_of_the_checkout(wheel: Path) -> None:
    files = files_of_the_checkout()
    paths = [path.as_posix() for path in files if path.parts[0] in FOLDERS and path.suffix in KINDS]
    expected = [path.removeprefix(FRONT).replace(ADAPTERS, "adapters/") for path in paths]
    with ZipFile(wheel) as packed:
        names = [name.removeprefix("trainctl/") for name in packed.namelist() if name.startswith("trainctl/")]
    assert sorted(names) == sorted(expected)


@pytest.mark.slow
def test_what_is_installed_trains(scripts: Path, tmp_path: Path) -> None:
    where = output([scripts / "python", "-c", "import trainctl.engine as found; print(found.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(scripts.parent)

    assert "Usage" in output([scripts / "trainctl", "--help"], tmp_path)
    assert "balanced" in output([scripts / "trainctl", "presets", "list"], tmp_path)
    run = ["run", "--preset", "balanced", "--scale", "small", "--device", "cpu", *TINY, "--runs-dir", "runs"]
    output([scripts / "trainctl", *run], tmp_path)
    assert json.loads((tmp_path / "runs" / "latest" / "status.json").read_text())["state"] == "finished"
