"""For all tests: property tests have no deadline, because a busy machine is not a bug; folders of the tests' own; what
commands print with `--json` is what docs/json.md says; of many cases of one kind only a few are for every time."""

import gc
import importlib.util
import os
from collections import defaultdict
from collections.abc import Generator

import pytest
from hypothesis import settings
from json_page import checked

from trainctl.tui.cli import main

collect_ignore = [] if importlib.util.find_spec("lightning") else ["adapters"]  # `make adapters` has what they need

# The same examples every time; what new ones find belongs into `make slow`, not into a change that has nothing to do
# with it.
settings.register_profile("every_time", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "every_time"))


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """What tests keep on disk for the next time is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def documented_json() -> Generator[None]:
    """Wherever a test runs a command with `--json`, its output is held against the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "_run", checked(main._run))
        yield


def pytest_collection_finish() -> None:
    """What all tests import stays: frozen, garbage is found in five sixths of the time, which is for every test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test marked `few(n)` all cases but `n`, evenly spaced, are slow ones: `make slow` runs them too."""
    cases: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("few") is not None and item.get_closest_marker("slow") is None:
            cases[item.nodeid.partition("[")[0]].append(item)
    for group in cases.values():
        marker = group[0].get_closest_marker("few")
        assert marker is not None
        count = min(marker.args[0], len(group))
        kept = {round(k * (len(group) - 1) / max(count - 1, 1)) for k in range(count)}
        for place, item in enumerate(group):
            if place not in kept:
                item.add_marker(pytest.mark.slow)
