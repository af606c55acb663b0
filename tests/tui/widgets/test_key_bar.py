"""The last line: the keys there are, and what a click on one does."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from trainctl.tui.widgets.key_bar import KeyBar


class KeyApp(App[None]):
    """Two keys that are shown, one that is not, and one that may not be pressed now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add('a')", "first", tooltip="the first of all"),
        Binding("b", "add('b')", "hidden", show=False),
        Binding("c", "add('c')", "second"),
        Binding("d", "forbidden", "never"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def compose(self) -> ComposeResult:
        yield KeyBar()

    def action_add(self, name: str) -> None:
        self.done.append(name)

    def action_forbidden(self) -> None:
        raise AssertionError("may not be done")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "forbidden" else True


async def test_keys_that_want_to_be_shown_stand_in_their_order():
    async with KeyApp().run_test() as pilot:
        await pilot.pause()
        assert pilot.app.query_one(KeyBar).render().plain.startswith("a first c second d never")


async def test_a_click_is_as_good_as_the_key():
    app = KeyApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.click(KeyBar, offset=(9, 0))
        await pilot.click(KeyBar, offset=(1, 0))
        await pilot.click(KeyBar, offset=(7, 0))  # between two
        await pilot.click(KeyBar, offset=(19, 0))  # not now
        await pilot.pause()
        assert app.done == ["c", "a"]


async def test_the_mouse_over_a_key_says_more():
    async with KeyApp().run_test() as pilot:
        await pilot.pause()
        await pilot.hover(KeyBar, offset=(3, 0))
        assert pilot.app.query_one(KeyBar).tooltip == "the first of all"
        await pilot.hover(KeyBar, offset=(10, 0))
        assert pilot.app.query_one(KeyBar).tooltip is None


async def test_the_keys_follow_the_focus():
    async with KeyApp().run_test() as pilot:
        await pilot.app.mount(Field())
        pilot.app.query_one(Field).focus()
        await pilot.pause()
        assert "own" in pilot.app.query_one(KeyBar).render().plain


class Field(Input):
    """Has a key of its own."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f7", "submit", "own")]
