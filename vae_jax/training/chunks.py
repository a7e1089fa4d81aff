"""How many steps one call of the device takes."""


def chunk_size(step: int, every: int, left: int, dispatch: int) -> int:
    """How many steps to take in one call at `step`, so that no frame's step is passed over.

    A call's length is part of its compiled program, so what is left before a frame or an epoch's end is taken in powers
    of two: a few programs serve all. The size depends on the step alone, so a continued run cuts as it was cut before.

    Args:
        step: steps taken so far.
        every: steps between frames; 0: no frames, and nothing is cut.
        left: steps left in the epoch.
        dispatch: most steps of a call.
    """
    if not every:
        return min(dispatch, left)
    size = min(dispatch, left, every - step % every)
    return size if size in (dispatch, every) else 1 << (size.bit_length() - 1)
