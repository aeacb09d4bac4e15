"""Elements that are slow to write reach the next step whole, every one of them."""

import json
import time

import apache_beam as beam

from pipelines.runner import beam_args

N_ELEMENTS = 1_500


class Slow:
    """A value that others may run beside while it is written, as they may beside any object of Python."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        time.sleep(1e-3)
        return Slow, (self.number,)


def test_no_element_is_cut_in_two_by_the_clock(tmp_path):
    path = tmp_path / "found.json"
    with beam.Pipeline(argv=beam_args(["--direct_num_workers=2"])) as pipeline:
        _ = (
            pipeline
            | beam.Create(range(N_ELEMENTS))
            | beam.Reshuffle()
            | "Make" >> beam.Map(lambda number: (number % 7, Slow(number)))
            | beam.GroupByKey()
            | "Read" >> beam.FlatMap(lambda pair: [slow.number for slow in pair[1]])
            | beam.combiners.ToList()
            | "Keep" >> beam.Map(lambda found: path.write_text(json.dumps(found)))
        )
    assert sorted(json.loads(path.read_text())) == list(range(N_ELEMENTS))
