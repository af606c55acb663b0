"""The application: wires a run to the screen and holds no logic of its own. Never imports torch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App, SystemCommand
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.events import Event, InputEvent
from textual.filter import LineFilter
from textual.screen import Screen
from textual.theme import Theme, ThemeProvider

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.actions import ACTIONS, shown_key
from trainctl.tui.alerts.terminal import sequences
from trainctl.tui.alerts.wishes import Wishes
from trainctl.tui.charts.chart import Chart
from trainctl.tui.line_filter import PrintableFilter
from trainctl.tui.memory import load_memory, memory_path
from trainctl.tui.messages import (
    AlertDue,
    AttachRequested,
    FeedFailed,
    LaunchRequested,
    NewestFound,
    OverlayChanged,
    OverlayFailed,
    ReplayRequested,
    RunChanged,
    RunDeleted,
    RunRenamed,
)
from trainctl.tui.palette import DARK, NO_COLOUR, THEMES, variables
from trainctl.tui.plain import printable
from trainctl.tui.processes.launch import LaunchRequest, launch
from trainctl.tui.run.feed import Follower, RunFeed
from trainctl.tui.run.newest import Newest
from trainctl.tui.run.overlays import Overlays
from trainctl.tui.run.session import Session
from trainctl.tui.screens.cockpit import CockpitScreen
from trainctl.tui.screens.dialogs.command_search import CommandSearch
from trainctl.tui.spoken import said
from trainctl.tui.textual_private import as_if_pushed, num_unwritten, send_to_terminal

if TYPE_CHECKING:
    from trainctl.tui.screens.listing import RunsAnswer

MAX_UNWRITTEN = 2
"""Pieces of output that may wait for the terminal when the next picture is made."""
UNWRITTEN_PERIOD_S = 0.05
NEWEST_PERIOD_S = 2.0
"""Seconds between two looks for a newer run, where the newest is followed."""


SEARCH, SEARCH_THEMES = "search for commands…", "search for themes…"


class CockpitApp(App[None]):
    """The cockpit on one run.

    Args:
        run: a run to attach to; none: start one.
        request: how to start a run, now or later from the list of presets.
        readonly: refuse everything that would change a run.
        keymap: the user's own keys by name of the action.
        replay: play the run from its records instead of following it.
        feed: what reads the run, and may have begun to.
        wishes: whether the terminal rings or shows a notification.
        lists: begin with the list of runs instead of a run.
        follows: always look at the newest run.
    """

    TITLE = "trainctl"
    CSS_PATH = "screens/cockpit.tcss"
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        run: RunPaths | None,
        request: LaunchRequest | None = None,
        readonly: bool = False,
        keymap: Mapping[str, str] | None = None,
        replay: bool = False,
        feed: RunFeed | None = None,
        wishes: Wishes | None = None,
        lists: bool = False,
        follows: bool = False,
    ) -> None:
        assert not replay or run is not None, "only what was recorded can be played"
        assert run is not None or request is not None, "a run to attach to or one to start"
        environ = dict(os.environ)  # before the driver touches it
        super().__init__()
        self._request = request or LaunchRequest(_folder_of(run), environ=environ)
        self._readonly = readonly
        self._wishes, self._terminal = wishes or Wishes(), environ
        self._printable = PrintableFilter()
        self._first_run = run
        self._first_feed = feed
        self._begins_with_replay, self._begins_with_list = replay, lists
        self._newest = Newest(self._request.runs_dir, follows)
        self._follower: Follower | None = None
        self._keys = dict(keymap or {})
        self._memory_path = memory_path()
        self._memory = load_memory(self._memory_path)
        self._begin_with_theme()
        self.overlays = Overlays(
            lambda run, update: self.post_message(OverlayChanged(run, update)),
            lambda run, reason: self.post_message(OverlayFailed(run, reason)),
        )
        self.session: Session | None = None

    async def on_mount(self) -> None:
        """Attach, or start a run and attach to it."""
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self._theme_changed(self.current_theme)
        self.set_keymap(self._keys)
        if isinstance(self.screen, CockpitScreen):
            # Else it could not be switched for another.
            as_if_pushed(self.screen)
            self._begin_to_follow(self.screen.session, self.screen)
        elif self._begins_with_list:
            await self._list_runs()
        elif self._first_run is not None:
            await self._replay(self._first_run)
        else:
            await self._launch(self._request)
        self.set_interval(NEWEST_PERIOD_S, self._look_for_newest)

    def get_default_screen(self) -> Screen[Any]:
        """A run to attach to is on the first screen there is: one less to make, style and lay out."""
        if self._first_run is None or self._begins_with_replay:
            return super().get_default_screen()
        screen = self._cockpit_of(Session(self._first_run, readonly=self._readonly, feed=self._first_feed))
        # Another run's screen may take its place.
        as_if_pushed(screen)
        return screen

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Those of the base class, and that nothing a name holds commands the terminal."""
        return [*super().get_line_filters(), self._printable]

    def _begin_with_theme(self) -> None:
        """Have the theme before anything is styled: to change it later means to read all stylesheets again."""
        for theme, _ in THEMES:
            self.register_theme(theme)
        remembered = self._memory.theme if self._memory.theme in self.available_themes else DARK.name
        self.set_reactive(App.theme, NO_COLOUR.name if self.no_color else remembered)
        is_dark = self.current_theme.dark
        self.set_class(is_dark, "-dark-mode", update=False)
        self.set_class(not is_dark, "-light-mode", update=False)
        self.add_class(f"-theme-{self.theme}", update=False)
        self.stylesheet.set_variables(self.get_css_variables())

    def _theme_changed(self, theme: Theme) -> None:
        """Without colours the lines of a chart carry letters."""
        Chart.plain_ink = self.no_color or theme.name == NO_COLOUR.name
        screen = self._cockpit()
        if screen is not None:
            screen.redraw()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our colours under every theme the user may choose."""
        return variables(self.current_theme.dark)

    def get_key_display(self, binding: Binding) -> str:
        """A key as the footer, the help and the palette write it."""
        return shown_key(binding.key)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: the actions of the cockpit, then Textual's own."""
        if isinstance(screen, CockpitScreen):
            for action in ACTIONS:
                run = partial(screen.run_action, action.name)
                key = shown_key(self._keys.get(action.name, action.key))
                yield SystemCommand(f"{said(action.label)} ({key})", said(action.help), run)
        own = {"Quit", "Keys", "Maximize", "Minimize"}  # said better by ours
        for command in super().get_system_commands(screen):
            if command.title not in own:
                yield command._replace(title=said(command.title), help=said(command.help))

    def notify(self, message: str, **options: Any) -> None:
        """As any app, in the language that is spoken."""
        super().notify("\n".join(map(said, message.split("\n"))), **options)

    async def on_event(self, event: Event) -> None:
        """As of any app; a key or a movement of the mouse while the screens are taken down is for nobody."""
        if self.screen_stack or not isinstance(event, InputEvent):
            await super().on_event(event)

    def action_command_palette(self) -> None:
        """Search the commands by name."""
        if not isinstance(self.screen, CommandSearch):
            self.push_screen(CommandSearch(placeholder=said(SEARCH), id="--command-palette"))

    def search_themes(self) -> None:
        """Search the themes by name, those of Textual too."""
        themes = CommandSearch([ThemeProvider], placeholder=said(SEARCH_THEMES), id="--command-palette")
        self.push_screen(themes)

    def pop_screen(self) -> AwaitComplete:
        """As of any app, but the cockpit stays: a second key or click meant for a dialog may come when it is gone."""
        return AwaitComplete() if isinstance(self.screen, CockpitScreen) else super().pop_screen()

    # --- messages -----------------------------------------------------------------------------------------

    def on_run_changed(self, message: RunChanged) -> None:
        """Hand what is new to the screen, then let the feed go on."""
        screen = self._cockpit()
        if message.session is not self.session or self._follower is None:
            return  # of the run that was shown before
        if screen is not None:
            screen.show_update(message.update)
        self._go_on(self._follower)

    def _go_on(self, follower: Follower) -> None:
        """Let the feed go on as soon as the terminal has nearly kept up: on a slow line a key must not wait behind
        pictures that are out of date."""
        if num_unwritten(self) > MAX_UNWRITTEN:
            self.set_timer(UNWRITTEN_PERIOD_S, partial(self._go_on, follower))
        else:
            follower.applied()

    def on_alert_due(self, message: AlertDue) -> None:
        """Ring, or have the terminal show a notification, as the user wishes."""
        if self._wishes.are_in_the_terminal:
            bell, notify = self._wishes.bell, self._wishes.notify
            send_to_terminal(self, sequences(message.words, self._terminal, bell=bell, notify=notify))

    def on_feed_failed(self, message: FeedFailed) -> None:
        """Say why the run cannot be shown."""
        self.notify(message.reason, severity="error", timeout=60, markup=False)

    def on_run_deleted(self, message: RunDeleted) -> None:
        """Nothing is laid over that is not there; a run that is looked at says itself that it is gone."""
        self._take_away(message.run)

    async def on_run_renamed(self, message: RunRenamed) -> None:
        """Go on looking at it where it is now."""
        if message.before in self.overlays:
            self._take_away(message.before)
            self.overlays.add(message.now)
        if self.session is not None and self.session.paths.root.resolve() == message.before.root:
            await self._look_at(message.now)

    async def on_newest_found(self, message: NewestFound) -> None:
        """Look at it, unless the user is busy with something else."""
        if isinstance(self.screen, CockpitScreen) and self._newest.is_on:
            self.notify(f"the newest run: {printable(message.run.root.name)}", markup=False)
            await self._look_at(message.run)

    async def on_attach_requested(self, message: AttachRequested) -> None:
        """Look at another run, or at this one as it is now."""
        known = self.session if self.session is not None and self.session.paths == message.run else None
        await self._look_at(message.run, known.process if known else None)

    async def on_replay_requested(self, message: ReplayRequested) -> None:
        """Play the present run again."""
        if self.session is not None:
            await self._replay(self.session.paths, self.session.process)

    async def on_launch_requested(self, message: LaunchRequested) -> None:
        """Start another run and look at it, with the earlier one behind it where that is wanted."""
        if message.beside is not None:
            with suppress(UserError):  # as many as can be told apart are there already
                self.overlays.add(message.beside)
        await self._launch(message.request)

    def on_overlay_changed(self, message: OverlayChanged) -> None:
        """Draw what is new of a run that is laid over."""
        if message.update.is_gone and message.run in self.overlays:
            self.notify(f"was laid over and is deleted: {printable(message.run.root.name)}", markup=False)
            self._take_away(message.run)
            return
        screen = self._cockpit()
        if self.overlays.apply(message.run, message.update) and screen is not None:
            screen.show_overlays()

    def on_overlay_failed(self, message: OverlayFailed) -> None:
        """Take away what cannot be read, and say why."""
        self.notify(message.reason, severity="warning", markup=False)
        self._take_away(message.run)

    def on_unmount(self) -> None:
        """Stop reading, and remember how the user liked to look."""
        if self._follower is not None:
            self._follower.stop()
        self.overlays.stop()
        self._memory.save(self._memory_path)

    def _take_away(self, run: RunPaths) -> None:
        """Lay a run over no more."""
        self.overlays.remove(run)
        screen = self._cockpit()
        if screen is not None:
            screen.show_overlays()

    # --- runs ---------------------------------------------------------------------------------------------

    async def _list_runs(self) -> None:
        """The list as the first screen; closed without an answer it ends the program."""
        from trainctl.tui.screens.run_list import Workspace
        from trainctl.tui.screens.runs import RunsScreen

        folder, memory = self._request.runs_dir, self._memory
        about = Workspace(folder, None, self.overlays, memory, lambda: None, self._newest, self._readonly)
        await self.push_screen(RunsScreen(about), self._act_on_list)

    async def _act_on_list(self, answer: RunsAnswer | None) -> None:
        if answer is None or answer.run is None:
            self.exit()
            return
        await self._look_at(answer.run)
        screen = self._cockpit()
        if answer.is_compared and screen is not None:
            screen.action_compare()

    def _look_for_newest(self) -> None:
        if self._newest.is_on and self.session is not None and isinstance(self.screen, CockpitScreen):
            self.run_worker(self._find_newest, thread=True, group="newest", exclusive=True)

    def _find_newest(self) -> None:
        """In a thread."""
        found, session = self._newest.look(), self.session
        if found is not None and session is not None and session.paths.root.resolve() != found.root:
            self.post_message(NewestFound(found))

    async def _launch(self, request: LaunchRequest) -> None:
        self._request = request
        try:
            run, process = launch(request)
        except UserError as err:
            if self.session is None:
                self.exit(return_code=2, message=f"trainctl: error: {err}")
            else:
                self.notify(str(err), severity="error", markup=False)
            return
        await self._look_at(run, process)

    async def _look_at(self, run: RunPaths, process: subprocess.Popen[bytes] | None = None) -> None:
        session = Session(run, process, readonly=self._readonly)
        await self._show(session, self._cockpit_of(session))

    def _cockpit_of(self, session: Session) -> CockpitScreen:
        return CockpitScreen(session, self._request, self._memory, self._keys, self.overlays, self._newest)

    async def _replay(self, run: RunPaths, process: subprocess.Popen[bytes] | None = None) -> None:
        from trainctl.tui.replay.feed import ReplaySession
        from trainctl.tui.screens.replay import ReplayScreen

        session = ReplaySession(run, process)
        about = (self._request, self._memory, self._keys, self.overlays, self._newest)
        await self._show(session, ReplayScreen(session, *about))

    async def _show(self, session: Session, screen: CockpitScreen) -> None:
        if self._follower is not None:
            self._follower.stop()
        self._follower = None
        self.session = session
        while self._cockpit() is not None and not isinstance(self.screen, CockpitScreen):
            await self.pop_screen()  # a dialog about the run that goes, opened while this was on its way
        if isinstance(self.screen, CockpitScreen):
            await self.switch_screen(screen)
        else:
            await self.push_screen(screen)
        self._begin_to_follow(session, screen)

    def _begin_to_follow(self, session: Session, screen: CockpitScreen) -> None:
        self.session = session
        self._follower = Follower(
            session.feed,
            lambda update: self.post_message(RunChanged(session, update)),
            lambda reason: self.post_message(FeedFailed(session.paths, reason)),
        )
        if session.feed.reads_ahead:
            self._follow(self._follower)
        else:  # the empty panels first: to read takes a moment
            screen.call_after_refresh(self._follow, self._follower)

    def _follow(self, follower: Follower) -> None:
        self.run_worker(follower.run, thread=True, group="feed", exclusive=True)

    def _cockpit(self) -> CockpitScreen | None:
        """The main screen, while there is something to draw on: not while it is being taken down."""
        screens = (screen for screen in self.screen_stack if isinstance(screen, CockpitScreen))
        return next((screen for screen in screens if screen.log_panel.is_attached), None)


def _folder_of(run: RunPaths | None) -> Path:
    return run.root.parent if run is not None else Path("runs")
