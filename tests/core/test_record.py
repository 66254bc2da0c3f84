import json
import math

import pytest

from gradatim.core.record import SCHEMA, Record, RecordWriter, number, read_record


def test_first_line_is_the_schema(tmp_path):
    with RecordWriter(tmp_path / "record.jsonl") as writer:
        writer.write("step", step=1, loss=0.5)
    events = list(read_record(tmp_path / "record.jsonl"))
    assert events[0] == {"event": "record", "schema": SCHEMA}
    assert events[1] == {"event": "step", "step": 1, "loss": 0.5}


def test_appending_adds_no_second_head(tmp_path):
    for step in (1, 2):
        with RecordWriter(tmp_path / "r.jsonl") as writer:
            writer.write("step", step=step)
    assert [event["event"] for event in read_record(tmp_path / "r.jsonl")] == [
        "record", "step", "step",
    ]  # fmt: skip


def test_resuming_truncates_what_came_after(tmp_path):
    path = tmp_path / "r.jsonl"
    with RecordWriter(path) as writer:
        writer.write("step", step=1)
        length = writer.flush(durable=True)
        writer.write("step", step=2)
    with RecordWriter(path, length=length) as writer:
        writer.write("step", step=2, again=True)
    assert [event.get("again") for event in Record.read(path).of("step")] == [None, True]


def test_a_line_cut_short_is_left_out(tmp_path):
    path = tmp_path / "r.jsonl"
    with RecordWriter(path) as writer:
        writer.write("step", step=1)
    with open(path, "ab") as file:
        file.write(b'{"event": "step", "st')
    assert len(list(read_record(path))) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_cannot_hold(tmp_path, value):
    with RecordWriter(tmp_path / "r.jsonl") as writer:
        writer.write("step", loss=value, nested={"a": [value]})
    line = (tmp_path / "r.jsonl").read_text().splitlines()[1]
    read = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert repr(number(read["loss"])) == repr(value)
    assert repr(number(read["nested"]["a"][0])) == repr(value)


def test_floats_survive_to_the_bit(tmp_path):
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308]
    with RecordWriter(tmp_path / "r.jsonl") as writer:
        writer.write("step", values=values)
    assert Record.read(tmp_path / "r.jsonl").events[1]["values"] == values


def test_events_by_name(tmp_path):
    with RecordWriter(tmp_path / "record.jsonl") as writer:
        for step in (1, 2, 3):
            writer.write("step", step=step)
    record = Record.read(tmp_path)
    assert [event["step"] for event in record.of("step")] == [1, 2, 3]
    assert record.last("step") == {"event": "step", "step": 3}
    assert record.last("end") is None
