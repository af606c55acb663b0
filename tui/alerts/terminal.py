"""What a terminal is sent to be heard or to show a notification, also through tmux. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trainctl.tui.plain import printable

BELL = "\a"
MOST_LETTERS = 200
TITLE = "trainctl"


def sequences(text: str, environ: Mapping[str, str], *, bell: bool, notify: bool) -> str:
    """The characters to send.

    Args:
        text: of the notification; whatever it holds commands nothing.
        environ: says which terminal it is.
        bell: ring.
        notify: show a notification: OSC 777 where the terminal is known for it, else OSC 9.
    """
    return BELL * bell + (_wrapped(_notification(text, environ), environ) if notify else "")


def _notification(text: str, environ: Mapping[str, str]) -> str:
    words = printable(text)[:MOST_LETTERS]
    if environ.get("VTE_VERSION") or environ.get("TERM", "").startswith(("foot", "rxvt")):
        return f"\x1b]777;notify;{TITLE};{words.replace(';', ',')}\x1b\\"
    # A digit first means something else to some: the state of a bar of progress.
    return f"\x1b]9;{TITLE}: {words}\x1b\\"


def _wrapped(sequence: str, environ: Mapping[str, str]) -> str:
    """Within tmux: handed through to the terminal around it, where its `allow-passthrough` is on."""
    if not environ.get("TMUX"):
        return sequence
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
