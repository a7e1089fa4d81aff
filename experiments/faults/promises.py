"""What is promised for each fault: the rows of docs/reliability.md, in their order. Tests name their fault as here."""

KILLS = "kill -9 at random moments of a 30-epoch run, also inside saves"

PROMISES = {
    KILLS: (
        "continued each time: final parameters with the same bits (sha256), metrics.jsonl, TensorBoard and results.json "
        "without a duplicate or missing step; no more is lost than the work since the last save"
    ),
    "SIGTERM, SIGINT, a second SIGINT": (
        "the state is saved, exit code 143 or 130, the continuing command is printed; the second Ctrl-C leaves at once and "
        "damages nothing"
    ),
    "a file of the newest checkpoint truncated, deleted, emptied or one bit flipped": (
        "detected before a step is taken; the newest intact checkpoint is used, with one warning that names both; where none "
        "is left, a clear error, and nothing is deleted"
    ),
    "stray folders and files, metrics.jsonl ending in half a line, a TensorBoard file cut": (
        "ignored or mended, told in one line"
    ),
    "two processes: one is killed, raises, or gets a signal": (
        "the other ends within 30 s with a clear message, a signal saves on both; the pair goes on with the same bits"
    ),
    "continued on another number of devices or processes": "allowed, said in one line, losses equal to float tolerance",
}
