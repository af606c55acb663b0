"""Tools on the presets that are installed: the list, one with its values, what tells two apart. Opens no other file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from trainctl.engine.config.presets import load_preset, preset_names
from trainctl.engine.config.resolve import Resolved, diff
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import reading
from trainctl.tui.cli.commands.presets import differences_json, summary_json
from trainctl.tui.cli.mcp.bounds import Answer, Limit
from trainctl.tui.cli.mcp.grounds import Grounds
from trainctl.tui.cli.options import ScaleName

LISTED = ("name", "task", "default", "recommended", "summary", "goes_wrong", "findings")

PresetName = Annotated[str, Field(description="As list_presets has it, or its part behind the slash.")]


def list_presets(
    grounds: Grounds, task: Annotated[str, Field(description="Only of this task.")] = "", limit: Limit = 40
) -> Answer:
    """List the presets: what each is for, and which findings are expected of it."""
    del grounds
    names, answer = preset_names(task or None), Answer()
    if not names:
        raise UserError(f"no presets for task {task!r}", f"there is: {', '.join(dict.fromkeys(_tasks()))}")
    listed = [summary_json(load_preset(name)) for name in answer.first(names, limit, "presets")]
    answer.data["presets"] = [{key: one[key] for key in LISTED} for one in listed]
    return answer


def show_preset(
    grounds: Grounds,
    name: PresetName,
    against: Annotated[str, Field(description="Another preset: only what differs.")] = "",
    prefix: Annotated[str, Field(description="Only options that begin so, e.g. optimizer.")] = "",
    scale: Annotated[ScaleName, Field(description="Size of the run.")] = "full",
    limit: Limit = 60,
) -> Answer:
    """Show the values of a preset with where each comes from, those that are no defaults first; or what differs."""
    del grounds
    here, answer = _resolved(name, scale), Answer()
    if against:
        there = _resolved(against, scale)
        found = [one for one in diff(here, there) if one[0].startswith(prefix)]
        differences = differences_json(answer.first(found, limit, "options"))
        answer.data = {"a": here.preset, "b": there.preset, "scale": scale, "differences": differences}
        return answer
    values = [(key, value) for key, value in here.values().items() if key.startswith(prefix)]
    values.sort(key=lambda entry: here.sources[entry[0]].kind == "default")
    rows: list[dict[str, Any]] = [
        {"key": key, "value": value, "from": str(here.sources[key])}
        for key, value in answer.first(values, limit, "options")
    ]
    answer.data = {"preset": here.preset, "scale": scale, "summary": here.about.summary, "values": rows}
    return answer


def _resolved(name: str, scale: ScaleName) -> Resolved:
    """The preset called so; a file of the user's is none."""
    fitting = [full for full in preset_names() if name in (full, full.partition("/")[2])]
    if len(fitting) != 1:
        there = f"say which: {', '.join(fitting)}" if fitting else "list_presets has them"
        raise UserError(f"no preset {name!r}" if not fitting else f"{len(fitting)} presets are called {name!r}", there)
    return reading.resolve(fitting[0], scale=scale)


def _tasks() -> list[str]:
    return [name.partition("/")[0] for name in preset_names()]
