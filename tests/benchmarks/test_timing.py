import time

from benchmarks.measures import timing


def test_runs_are_timed_in_turns_and_apart():
    order = []

    def nap():
        order.append("nap")
        time.sleep(0.005)

    short, long = timing.take_turns(
        [lambda: order.append("short"), nap], n_rounds=3, n_in_turn=2
    )
    assert order == ["short", "short", "nap", "nap"] * 4  # one round to warm up
    assert short.best_s <= short.low_s
    assert long.best_s >= 0.005
    assert short.low_s <= short.median_s <= short.high_s < long.low_s
    assert long.low_s >= 0.005
    assert long.cpu_s < long.low_s  # asleep


def test_the_machine_is_described():
    assert "cores; load of the machine" in timing.describe_machine()
