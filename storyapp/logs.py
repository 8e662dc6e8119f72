"""A log line is a constant event and its fields: `12:00:01 INFO scene.saved job=… scene=… token=2`."""

import logging

PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        fields = {name: value for name, value in record.__dict__.items() if name not in PLAIN}
        return super().formatMessage(record) + "".join(f" {name}={value}" for name, value in fields.items())
