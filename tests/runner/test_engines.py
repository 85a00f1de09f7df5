"""An engine works on units wherever it likes: each once, with what it came to."""

from __future__ import annotations

import os
import pickle
from typing import Any

import pytest

import erasebench
from erasebench.errors import UserError
from erasebench.runner.engines import ENGINES, engine_of
from erasebench.runner.request import Request
from erasebench.runner.run import Summary
from tests.runner.toy import SUITE, timeless


def square(number: int) -> int:
    if number < 0:
        raise UserError(f"{number} is negative.", "Give 0 or more.")
    return number * number


def own_process(_: int) -> int:
    return os.getpid()


def test_one_worker_is_this_process_and_keeps_the_order() -> None:
    engine = engine_of("local")
    assert list(engine.each([3, 1, 2], square)) == [(3, 9), (1, 1), (2, 4)]
    assert {process for _, process in engine.each([1, 2], own_process)} == {os.getpid()}


def test_a_unit_begins_only_when_the_one_before_it_was_taken() -> None:
    begun: list[int] = []
    outcomes = engine_of("local").each([1, 2], begun.append)
    assert begun == []
    next(outcomes)
    assert begun == [1]


def test_what_a_unit_raises_is_raised() -> None:
    outcomes = engine_of("local").each([2, -1, 3], square)
    assert next(outcomes) == (2, 4)
    with pytest.raises(UserError, match="-1 is negative"):
        next(outcomes)
    assert list(outcomes) == []


@pytest.mark.slow
def test_several_workers_are_other_processes() -> None:
    engine = engine_of("local", 2)
    assert sorted(engine.each([3, 1, 2], square)) == [(1, 1), (2, 4), (3, 9)]
    assert os.getpid() not in {process for _, process in engine.each([1, 2], own_process)}
    with pytest.raises(UserError, match="-1 is negative"):
        list(engine.each([-1], square))


def test_an_unknown_engine_is_named_with_those_that_there_are() -> None:
    assert list(ENGINES) == ["local"]
    with pytest.raises(UserError, match=r"There is no engine 'ray'\.\nAvailable: local\."):
        engine_of("ray")


def test_requests_and_summaries_are_data(words: dict[str, Any]) -> None:
    request = Request(("original",), (SUITE,), attacks=("toy-shout",), attack_settings={"toy-shout.word": "now"})
    assert pickle.loads(pickle.dumps(request)) == request
    summary = erasebench.run(**words | {"method": "original", "limit": 1})
    again: Summary = pickle.loads(pickle.dumps(summary))
    assert [timeless(record) for record in again.records] == [timeless(record) for record in summary.records]
    assert (again.failures, again.board, again.yours) == ({}, summary.board, summary.yours)
