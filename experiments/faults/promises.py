"""The promise for each fault: the rows of docs/reliability.md, in their order. Tests name their fault as here."""

KILLS = "kill -9 at random moments of a 30-epoch run, also inside saves"

PROMISES = {
    KILLS: (
        "resumed each time: the final parameters have the same bits (sha256), and no step is duplicated or missing in "
        "metrics.jsonl, TensorBoard or results.json; only the work since the last save is lost"
    ),
    "SIGTERM, SIGINT, a second SIGINT": (
        "the state is saved, the exit code is 143 or 130, and the command that resumes the run is printed; a second Ctrl-C "
        "exits at once and damages nothing"
    ),
    "a file of the newest checkpoint truncated, deleted, emptied or one bit flipped": (
        "detected before the first step; the newest intact checkpoint is used, with one warning that names both; if none is "
        "left, a clear error is printed and nothing is deleted"
    ),
    "stray folders and files, metrics.jsonl ending in half a line, a TensorBoard file cut": (
        "ignored or repaired, with one line printed"
    ),
    "two processes: one is killed, raises, or gets a signal": (
        "the other exits within 30 s with a clear message; a signal saves on both; the pair resumes with the same bits"
    ),
    "continued on another number of devices or processes": "allowed, with one line printed; losses are equal up to rounding",
    "config.json half-written or lost": (
        "restored from the newest intact checkpoint, with one line printed; before the first checkpoint the run starts from "
        "scratch; a user's own file of that name is not touched"
    ),
    "disk full during a save": (
        "detected before anything is written; the previous checkpoint stays intact, the error names the path and the space "
        "needed, the exit code is 1; with more space the run resumes with the same bits"
    ),
    "disk full while the data cache is written": "the error names the path and the space needed, exit code 1; no partial file",
    "disk full during figures": "each file is either whole or absent; with more space the same command draws the figures",
    "read-only workdir, a path that is a file, no permission": "one line and exit code 2, before anything is computed",
    "two processes start the same run": (
        "the second is refused with a message that names the first one's process and host; a crash leaves no lock behind"
    ),
    "a checkpoint from another config, shape, data set or format": "refused, naming the difference; nothing is changed",
    "NaN or inf: learning rate 1e6, a NaN in a data array": (
        "a bad loss stops the run within one dispatch; the message has the step and the terms, and earlier checkpoints stay "
        "intact; bad data are refused before training"
    ),
    "odd surroundings: clock, locale, paths, no HOME, no terminal, closed stdout": (
        "the run has the same bits as in an ordinary environment; an impossible path is reported in one line"
    ),
    "out of memory: an absurd batch size": (
        "refused before training and before anything is written; the message has the memory needed, the memory free, and the "
        "batch size that fits"
    ),
    "random overrides on the command line": (
        "accepted, or refused in one line for each problem, which names the key, with exit code 2: no traceback, no hang, no "
        "file left behind"
    ),
    "config.json damaged": (
        "accepted, or refused in one line for each problem, which names file and key, with exit code 2; nothing is changed"
    ),
    "image files damaged": "each one is decoded or listed as broken",
    "files that carry code": "nothing that is read is executed: no pickle, no file in a run's folder",
    "paths that lead outside": "links and .. in a folder or an archive never lead to a read outside it",
    "a stop while a file is written": "files are written under a temporary name and renamed when they are whole",
    "data cache damaged, or the source folder changed under a run that continues": (
        "a damaged cache is rebuilt, with one line printed, and the run has the same bits; changed data are refused with the "
        "reason"
    ),
}
