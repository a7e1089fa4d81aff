"""A measurement of a run's images: checked first, resumed if it was interrupted, with a progress bar."""

from pathlib import Path

from vae_jax.evaluation.nll.images import split_of
from vae_jax.evaluation.nll.record import Record, measure, resume
from vae_jax.evaluation.nll.request import Request, facts_of, file_name, make_source, read_other
from vae_jax.runs.run import Run
from vae_jax.system import signals
from vae_jax.system.console import Console


def measure_run(
    run: Run, folder: Path, request: Request, against: Path | None, console: Console, stop_message: str
) -> tuple[Path, Record, Record | None]:
    """Measure the images of `request`, or resume their measurement in `folder`.

    Returns:
        (the file of the record, the record, the record of the run `against` or None).

    Raises:
        InputError: the images are not available, or the other run cannot be compared.
        signals.Stopped: SIGINT or SIGTERM, with `stop_message`; the finished pieces are written.
    """
    path = folder / file_name(request)
    images, labels = split_of(run, request)
    facts = facts_of(run, request, images, labels)
    other = None if against is None else read_other(against, path.name, facts)
    started, unused = resume(path, facts)
    if unused:
        console.line(f"starting from scratch: {unused}")
    elif 0 < started.done < len(images):
        console.line(f"resumed after {started.done:,} of {len(images):,} images")
    source = make_source(run, request, labels)
    with signals.deferred() as stop, console:

        def advance(count: int) -> None:
            console.count(count)
            if stop.signum is not None:
                raise signals.Stopped(stop.signum, stop_message)

        console.start_count(
            f"log p(x{'' if labels is None else ' given y'}), {request.samples:,} samples", len(images), started.done
        )
        return path, measure(source, images, started, path, advance), other
