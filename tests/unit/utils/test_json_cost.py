"""How many values JSON texts have, whatever they say and wherever they are cut."""

from __future__ import annotations

import asyncio
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver.utils import json_cost
from liveserver.utils.json_cost import SLICE, VALUES_MAX, has_too_many

STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

ODD = st.text(st.sampled_from('\\"[]{},: aé\n😀'), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD, inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON, size=st.integers(2, 40))
def test_names_and_values_are_counted_wherever_the_text_is_cut(value: object, size: int) -> None:
    text = orjson.dumps(value)
    structure, strings = STRING.subn(b"", text)
    count = strings + sum(structure.count(mark) for mark in (b",", b":", b"[", b"{"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_cost, "SLICE", size)
        patch.setattr(json_cost, "VALUES_MAX", count)
        assert not asyncio.run(has_too_many(text))
        patch.setattr(json_cost, "VALUES_MAX", count - 1)
        assert asyncio.run(has_too_many(text))


async def test_what_texts_say_doesnt_count() -> None:
    assert not await has_too_many(orjson.dumps(['[{,:"\\' * 500_000]))


@pytest.mark.parametrize("bomb", [b"[],", b"{},", b'"a",', b"0,", b'{"":0},', b'"a', b"[", b'"'])
async def test_a_bomb_is_found_before_it_is_read_to_its_end(bomb: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        turns.append(seconds)
        await real(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert await has_too_many(b"[" + bomb * (8_000_000 // len(bomb)))
    assert len(turns) <= 4 * VALUES_MAX / SLICE + 1
