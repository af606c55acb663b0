"""Pickles as somebody hostile, or a broken disk, would leave them: nothing runs, and what is refused is named at once.

More of them: `TRAINCTL_FUZZ_CASES=1000 pytest tests/engine/data/emotion/test_emotion_pickles_hostile.py`.
"""

from __future__ import annotations

import collections
import os
import pickle
import random
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emotion_files import field_parts
from hostile_files import bounded
from hostile_pickles import BANNED, CANARY, COMMAND, hostile, named
from hypothesis import given, settings
from hypothesis import strategies as st

from trainctl.engine.data.emotion import unpickle
from trainctl.engine.data.emotion.load import load_emotion
from trainctl.engine.data.emotion.options import EmotionData
from trainctl.engine.data.emotion.stored import Bag, MalformedError, StoredArray
from trainctl.engine.data.emotion.unpickle import RefusedError, unpickled
from trainctl.engine.errors import UserError

CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "0")) or 150
OPTIONS = EmotionData(val_fraction=0.4)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=30,
)


@settings(max_examples=60, deadline=None)
@given(PLAIN, st.integers(0, 5))
def test_plain_data_come_back_as_python_itself_reads_them(value: Any, protocol: int) -> None:
    assert unpickled(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["a", "bcé"]),
        np.array([b"a", b"bc"]),
        np.array([True, False]),
        np.array(3, np.int8),
        np.zeros((0, 4)),
        np.arange(3, dtype=np.float16),
    ],
)
def test_arrays_come_back_as_numpy_itself_reads_them(array: Any, protocol: int) -> None:
    found = unpickled(pickle.dumps([array, array], protocol))
    assert isinstance(found[0], StoredArray) and found[0].values.dtype == array.dtype
    assert found[0].values.tolist() == array.tolist() or not array.size
    assert found[1] is found[0]


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_sets_and_other_dictionaries_are_plain(protocol: int) -> None:
    values = [np.float32(1.5), np.int64(-3), np.bool_(True), {"a"}, frozenset([1]), bytearray(b"xy")]
    found = unpickled(pickle.dumps(values, protocol))
    assert found == [1.5, -3, True, ["a"], [1], b"xy"] and isinstance(found[3], Bag)
    others = [collections.OrderedDict(b=1, a=2), collections.defaultdict(list, {"k": [1.0] * 5000})]
    assert unpickled(pickle.dumps(others, protocol)) == others


def test_pickles_of_python_2_are_read() -> None:
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\n"
        b"I1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00\\xc0'\ntb."
    )
    assert unpickled(array).values.tolist() == [1, -2]
    assert unpickled(b"\x80\x02U\x03\xe9ab.") == "éab"


@pytest.mark.parametrize("call", BANNED, ids=[f"{call[0][:24]!a}.{call[1]}" for call in BANNED])
@pytest.mark.parametrize("form", ["GLOBAL", "STACK_GLOBAL", "INST", "bare"])
def test_what_would_run_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    module, name, *args = call
    text = {
        "GLOBAL": named(module, name, *args),
        "bare": f"c{module}\n{name}\n.".encode(),
        "INST": f"(i{module}\n{name}\n.".encode(),
        "STACK_GLOBAL": b"\x80\x04"
        + b"".join(b"X" + struct.pack("<I", len(w)) + w for w in (module.encode(), name.encode()))
        + b"\x93)R.",
    }[form]
    (tmp_path / "d.pkl").write_bytes(text)
    with pytest.raises(UserError) as caught:
        load_emotion(OPTIONS, 0, tmp_path / "d.pkl")
    said = str(caught.value)
    shown = ascii(f"{module}.{name}")[1:-1][:60]
    assert f"needs {shown}" in said and "nothing was run" in said and "an .npz" in said
    assert said.isprintable() and len(said) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["d.pkl"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"\x80\x04cnumpy\nndarray\n)}\x92.", "NEWOBJ_EX"),
        (b"(cnumpy\nndarray\no.", "OBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x84\x01\0\0\0.", "EXT4"),
        (b"Pabc\n.", "PERSID"),
        (b"\x80\x02NQ.", "BINPERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x05N\x98.", "READONLY_BUFFER"),
    ],
)
def test_instructions_that_data_never_need_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        unpickled(content)


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tC\x01btR"


def built(shape: bytes, code: bytes, content: bytes, order: bytes = b"<", fields: bytes = b"NNN") -> bytes:
    """An array whose state may say anything."""
    dtype = (
        b"cnumpy\ndtype\n(X" + struct.pack("<I", len(code)) + code + b"\x89\x88tR(K\x03C" + bytes([len(order)]) + order
    )
    dtype = dtype.replace(b"C" + bytes([len(order)]) + order, b"X" + struct.pack("<I", len(order)) + order)
    state = b"(K\x01(" + shape + b"t" + dtype + fields + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89B"
    return b"\x80\x03" + RECONSTRUCT + state + struct.pack("<I", len(content)) + content + b"tb."


HUGE = b"\x8a\x06" + (10**12).to_bytes(6, "little")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (built(HUGE, b"f8", b""), "shape says 8,000,000,000,000 bytes and that has 0"),
        (built(HUGE + b"K\0", b"f8", b"1"), "shape says 0 bytes and that has 1"),
        (built(b"J\xff\xff\xff\xff", b"f8", b""), "an impossible shape"),
        (built(b"\x8a\x10" + b"\xff" * 15 + b"\x7f", b"f8", b""), "an impossible shape"),
        (built(b"K\x01" * 40, b"f8", bytes(8)), "an array without a shape"),
        (built(b"K\x02", b"f8", bytes(8)), "says 16 bytes and that has 8"),
        (built(b"K\x01", b"O8", bytes(8)), "Python objects"),
        (built(b"K\x01", b"O", bytes(8)), "Python objects"),
        (built(b"K\x01", b"V8", bytes(8)), "neither a number nor text"),
        (built(b"K\x01", b"M8", bytes(8)), "neither a number nor text"),
        (built(b"K\x01", b"f8,O", bytes(8)), "neither a number nor text"),
        (built(b"K\x01", b"f3", bytes(8)), "impossible size"),
        (built(b"K\x01", b"b2", bytes(2)), "does not exist"),
        (built(b"K\x01", b"U9999999", bytes(8)), "impossible size"),
        (built(b"K\x01", b"f8", bytes(8), order=b"x"), "unknown order"),
        (built(b"K\x01", b"f8", bytes(8), fields=b"N(X\1\0\0\0atN"), "a type of records"),
        (b"\x80\x03" + RECONSTRUCT + b"(K\x01(K\x01tN\x89]Natb.", "an array of Python objects"),
        (b"\x80\x03" + RECONSTRUCT + b"Nb.", "an array without a state"),
        (b"\x80\x03" + RECONSTRUCT + b"K\x01R.", "no name"),
        (b"\x80\x02}Nb.", "a state of something that has none"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "a call of numpy.ndarray"),
        (b"\x80\x02c_codecs\nencode\n(X\1\0\0\0aX\5\0\0\0rot13tR.", "encoded as something else"),
        (b"\x80\x02c_codecs\nencode\n(X\3\0\0\0\xe2\x82\xacX\6\0\0\0latin1tR.", "a character that is none"),
        (b"\x80\x02ccollections\ndefaultdict\n(K\x01tR.", "something to call"),
        (b"\x80\x02c__builtin__\nset\n(K\x01tR.", "made of something else"),
        (b"\x80\x02c__builtin__\nbytes\n(\x8a\x06" + (10**12).to_bytes(6, "little") + b"tR.", "made of something else"),
        (b"\x80\x02}(K\x01tNs.", "keys are no ids"),
        (b"\x80\x02}G?\xf0\0\0\0\0\0\0Ns.", "keys are no ids"),
        (b"\x80\x02\x8b\x00\xe1\xf5\x05" + bytes(100) + b".", "a number that is too long"),
        (b"L" + b"9" * 10000 + b"L\n.", "a line that does not end"),
        (b"\x80\x02B\xff\xff\xff\xff.", "ends too early"),
        (b"\x80\x04\x8e" + b"\xff" * 8 + b".", "ends too early"),
        (b"\x80\x02T\xff\xff\xff\xff.", "ends too early"),
        (b"\x80\x02N.N.", "2 bytes follow its end"),
        (b"\x80\x02.", "a value is missing"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\x80\x02h\x07.", "not there"),
        (b"\x80\x02\xffN.", "0xff at byte 2 is no instruction"),
        (b"\x80\x02", "ends too early"),
        (b"\x80\x02ta.", "a mark is missing"),
        (b"\x80\x02N(e.", "something else than a list"),
    ],
)
def test_a_state_that_lies_is_said_and_never_reaches_numpy(content: bytes, said: str) -> None:
    found: str | None = None
    tracemalloc.start()
    try:
        with bounded():
            unpickled(content)
    except MalformedError as error:
        found = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None and said in found
    assert peak < 1 << 20


def bombs() -> dict[str, bytes]:
    """Small files that ask for much."""
    text = b"X" + struct.pack("<I", 1 << 16) + b"a" * (1 << 16)
    array = built(b"J\0\0\1\0", b"f4", bytes(1 << 18))[:-1]
    ids = pickle.dumps([f"d{k}" for k in range(50)], 2)[2:-1]
    shared = b"(" + b"".join(b"h\x01" for _ in range(4000)) + b"l"
    table = b"}(" + b"".join(b"X\3\0\0\0d%02d" % k + b"h\x02" for k in range(90)) + b"u"
    return {
        "encode": b"\x80\x02" + text + b"q\0(" + b"c_codecs\nencode\n(h\0X\6\0\0\0latin1tR" * 30000 + b"l.",
        "set": b"\x80\x02](" + b"N" * 65536 + b"eq\0(" + b"c__builtin__\nset\n(h\0tR" * 30000 + b"l.",
        "laughs": b"\x80\x02]" + b"".join(b"q%c](" % k + b"h%c" % k * 10 + b"e" for k in range(60)) + b".",
        "deep": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
        "deep tuples": b"\x80\x02N" + b"\x85" * 50_000 + b".",
        "own": b"\x80\x02]q\0h\0a.",
        "marks": b"\x80\x02" + b"(" * 200_000 + b".",
        "memo": b"\x80\x02N"
        + b"".join(b"r" + struct.pack("<I", (k * 2654435761) % 2**32) for k in range(50_000))
        + b".",
        "shared arrays": b"\x80\x03("
        + array[2:]
        + b"q\x01"
        + shared
        + b"q\x02"
        + table
        + b"q\x03"
        + b"h\x03" * 5
        + ids
        + ids
        + b"t.",
    }


@pytest.mark.parametrize("name", list(bombs()))
def test_small_files_that_ask_for_much_are_refused_at_once(tmp_path: Path, name: str) -> None:
    content = bombs()[name]
    (tmp_path / "d.pkl").write_bytes(content)
    tracemalloc.start()
    with bounded(), pytest.raises(UserError):
        load_emotion(OPTIONS, 0, tmp_path / "d.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 256 << 20


def test_one_array_for_all_utterances_cannot_become_more_than_the_file(tmp_path: Path) -> None:
    parts = field_parts()
    row, num = np.zeros(200_000, np.float32), 400
    shared = {"d0": [row] * num, "d1": [row] * num, "d2": [row] * num}
    parts |= dict.fromkeys(("text", "audio", "visual"), shared)
    parts |= {"labels": {key: [0] * num for key in shared}, "speakers": {key: ["M"] * num for key in shared}}
    parts |= {"train": ["d0", "d1"], "test": ["d2"]}
    (tmp_path / "d.pkl").write_bytes(pickle.dumps(tuple(parts.values())))
    with bounded(), pytest.raises(UserError, match="text repeats the same values too often"):
        load_emotion(OPTIONS, 0, tmp_path / "d.pkl")


def test_a_pipe_or_a_file_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pkl")
    (tmp_path / "large.pkl").write_bytes(b"\x80\x02")
    os.truncate(tmp_path / "large.pkl", 1 << 40)  # holes take no room
    for name, said in (("pipe.pkl", "it is a pipe"), ("large.pkl", "it is larger than 536 MB")):
        with bounded(), pytest.raises(UserError, match=said):
            load_emotion(OPTIONS, 0, tmp_path / name)


def test_nothing_hostile_runs_lasts_or_ends_in_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def note(name: str) -> Callable[..., int]:
        return lambda *_, **__: ran.append(name) or 0

    monkeypatch.chdir(tmp_path)
    contents = [hostile(random.Random(seed)) for seed in range(CASES)]
    for owner, name in ((os, "system"), (subprocess, "Popen"), (np, "load"), (pickle, "loads"), (pickle, "load")):
        monkeypatch.setattr(owner, name, note(name))
    file, refused = tmp_path / "d.pkl", 0
    tracemalloc.start()
    for seed, content in enumerate(contents):
        file.write_bytes(content)
        try:
            with bounded():
                load_emotion(OPTIONS, 0, file)
        except UserError as error:
            refused += 1
            assert str(file) in str(error) and error.hint and "\n" not in str(error) and len(str(error)) < 600, seed
        assert not ran and not (tmp_path / CANARY).exists(), seed
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert CASES * 0.5 < refused < CASES  # some of what was changed is as good as before
    assert peak < 64 << 20


def test_what_would_have_run_does_run_where_python_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary sings: without the machine above these attacks are real."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(named("os", "system", COMMAND))
    assert (tmp_path / CANARY).exists()


def test_instructions_without_an_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "MOST_STEPS", 1000)
    with pytest.raises(MalformedError, match="more than 1,000 instructions: save arrays, not lists of numbers"):
        unpickled(b"\x80\x02" + b"N0" * 500 + b"N.")
    assert unpickled(b"\x80\x02" + b"N0" * 498 + b"N.") is None
