"""What a test writes to and reads from TensorBoard's event files."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]

from vae_jax.runs.writer import Writer


def write(workdir: Path, resume_step: int, steps: range, tensorboard: bool = False) -> None:
    with Writer(workdir, resume_step, tensorboard) as writer:
        for step in steps:
            writer.write(step, step / 2, {"train/loss": 100.0 - step, "val/elbo": -step})


def events(workdir: Path) -> list[Event]:
    """Every event of every file, in TensorBoard's order: by name, then by place."""
    found = []
    for path in sorted(workdir.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def scalars(workdir: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows: a restart takes away what earlier files hold from its step on."""
    shown: dict[str, list[tuple[int, float]]] = {}
    for event in events(workdir):
        if event.session_log.status == SessionLog.START:
            shown = {tag: [point for point in points if point[0] < event.step] for tag, points in shown.items()}
        for value in event.summary.value:
            if value.HasField("simple_value"):
                shown.setdefault(value.tag, []).append((event.step, value.simple_value))
    return shown
