"""Images are written in a thread of its own, in order; nothing that was given is lost, and no error is."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erasebench.cost import Cost
from erasebench.store import writer
from erasebench.store.images import ImageStore
from erasebench.store.writer import written_aside

PIXELS = np.zeros((4, 4, 3), dtype=np.uint8)


def test_every_image_is_there_when_the_block_is_left_in_order(tmp_path: Path) -> None:
    names = [f"image-{at}" for at in range(150)]
    with written_aside(ImageStore(tmp_path)) as put:
        for name in names:
            put(name, PIXELS, Cost(0.5, 1))
    again = ImageStore(tmp_path)
    assert list(again.entries) == names and not again.missing(names) and not again.corrupted(names)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("images")]


def test_what_was_given_before_an_interruption_is_stored(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), written_aside(ImageStore(tmp_path)) as put:
        put("aa", PIXELS, Cost())
        put("bb", None, Cost())
        raise KeyboardInterrupt
    assert ImageStore(tmp_path).missing(["aa", "bb", "cc"]) == ["cc"]


@pytest.mark.parametrize("images", [1, 200])
def test_a_full_disk_ends_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    store, tried = ImageStore(tmp_path), []

    def full(image: str, *_: Any) -> None:
        tried.append(image)
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(OSError, match="no space left"), written_aside(store) as put:
        for at in range(images):
            put(f"image-{at}", PIXELS, Cost())
    assert len(tried) <= writer.WAITING + 1, "it is not found at the end alone"


def test_a_slow_disk_holds_the_sampler_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, gate, stored = ImageStore(tmp_path), threading.Event(), []

    def slow(image: str, *_: Any) -> None:
        gate.wait(5)
        stored.append(image)

    monkeypatch.setattr(store, "put", slow)
    with written_aside(store) as put:
        for at in range(writer.WAITING):
            put(f"image-{at}", PIXELS, Cost())
        assert not stored
        threading.Timer(0.1, gate.set).start()
        put("one more", PIXELS, Cost())
        assert stored, "it waited"
    assert len(stored) == writer.WAITING + 1
