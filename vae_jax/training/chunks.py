"""The number of steps in one device call."""


def chunk_size(step: int, every: int, left: int, dispatch: int) -> int:
    """Return the number of steps to take in one call at `step`, so that no call passes over a frame.

    The length of a call is part of its compiled program. The steps before a frame or the end of an epoch are therefore taken
    in powers of two, so that a few programs are enough. The size depends on the step alone, so a resumed run cuts its calls
    in the same places.

    Args:
        step: the steps taken so far.
        every: the steps between frames; 0: no frames, and nothing is cut.
        left: the steps left in the epoch.
        dispatch: the most steps of a call.
    """
    if not every:
        return min(dispatch, left)
    size = min(dispatch, left, every - step % every)
    return size if size in (dispatch, every) else 1 << (size.bit_length() - 1)
