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
    "config.json half-written or lost": (
        "taken from the newest intact checkpoint, told in one line; before the first checkpoint the run begins anew; a "
        "person's own file of that name is left alone"
    ),
    "disk full during a save": (
        "noticed before anything is written; the checkpoint before stays whole, the error names the path and the space needed, "
        "exit code 1; with more room the run goes on to the same bits"
    ),
    "disk full while the data cache is written": "the error names the path and the space needed, exit code 1; nothing is left",
    "disk full during figures": "a file is there whole or not at all; with more room the same command draws the figures",
    "read-only workdir, a path that is a file, no permission": "one line, exit code 2, before anything is computed",
    "two processes start the same run": (
        "the second is refused with the first's process and host; a crash leaves no lock behind"
    ),
    "a checkpoint from another config, shape, data set or format": "refused, naming what differs; nothing is changed",
    "NaN or inf: learning rate 1e6, a NaN in a data array": (
        "a loss stops the run within one dispatch, with the step and the terms, and the checkpoints before it intact; data are "
        "refused before training"
    ),
    "odd surroundings: clock, locale, paths, no HOME, no terminal, closed stdout": (
        "the run has the same bits as in ordinary ones; a path that cannot be is one line"
    ),
    "out of memory: an absurd batch size": (
        "refused before training and before anything is written, with what is needed, what is free, and the batch that fits"
    ),
    "random overrides on the command line": (
        "accepted, or one line that names the key and exit code 2: no traceback, no hang, no file left behind"
    ),
    "config.json damaged": "accepted, or one line that names file and key and exit code 2; nothing is changed",
    "image files damaged": "each is decoded, or listed as broken",
    "files that carry code": "nothing that is read is executed: no pickle, nothing that lies in a run's folder",
    "paths that lead outside": "links and .. in a folder or an archive lead no read outside it",
    "a stop while a file is written": "files appear under a temporary name and are renamed when they are whole",
    "data cache damaged, or the source folder changed under a run that continues": (
        "a damaged cache is rebuilt, told in one line, and the run has the same bits; other data are refused with the reason"
    ),
}
