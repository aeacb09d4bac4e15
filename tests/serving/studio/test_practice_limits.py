import os

import pytest

from serving.studio.practice_limits import count_processors


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("6400000 100000\n", 3),
        ("max 100000\n", 3),
        ("unheard of\n", 3),
    ],
)
def test_a_container_counts_its_share_of_the_machine(
    tmp_path, monkeypatch, quota, count
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 5})
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    assert count_processors(path) == count


def test_without_a_control_group_all_processors_count(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 5})
    assert count_processors(tmp_path / "cpu.max") == 3
