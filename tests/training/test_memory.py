import ctypes
import sys

import pytest
import torch

from gradatim.training import memory


def faults(count):
    """Return the pages that were entered anew while so many blocks of 40 MB were used."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.zeros(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(memory._glibc() is None, reason="not glibc, or set by the environment")
def test_freed_memory_is_kept_and_then_given_back():
    pages = 40_000_000 // 4096
    with memory.kept():
        faults(20)  # the heap grows until aligned blocks find room among those that were freed
        with memory.kept():
            assert faults(10) < pages / 10
        assert faults(10) < pages / 10  # the outer context still holds
    grown = faults(1)
    assert grown > pages / 2 or grown < 100  # entered anew, or by pages of 2 MB


def test_nothing_is_done_where_it_cannot_be(monkeypatch):
    def never(name):
        raise AssertionError("the C library was opened")

    monkeypatch.setattr(ctypes, "CDLL", never)
    monkeypatch.setattr(sys, "platform", "darwin")
    with memory.kept():
        pass
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    with memory.kept():
        pass
    assert memory._users == 0
