"""The promise for each fault: the rows of docs/reliability.md in their order. Tests name their fault by these keys."""

KILLS = "kill -9 at random moments of a 30-epoch run, also inside saves"

PROMISES = {
    KILLS: (
        "resumed each time: final parameters with the same bits (sha256); metrics.jsonl, TensorBoard and results.json have "
        "no duplicate or missing step; only the work since the last save is lost"
    ),
    "SIGTERM, SIGINT, a second SIGINT": (
        "the state is saved, exit code 143 or 130, the command that resumes is printed; the second Ctrl-C leaves at once "
        "and damages nothing"
    ),
    "a file of the newest checkpoint truncated, deleted, emptied or one bit flipped": (
        "detected before a step is taken; the newest intact checkpoint is used, with one warning that names both; if "
        "none is left, a clear error, and nothing is deleted"
    ),
    "stray folders and files, metrics.jsonl ending in half a line, a TensorBoard file cut": (
        "ignored or repaired, reported in one line"
    ),
    "two processes: one is killed, raises, or gets a signal": (
        "the other ends within 30 s with a clear message, a signal saves on both; the pair resumes with the same bits"
    ),
    "continued on another number of devices or processes": "allowed, reported in one line, losses equal up to rounding",
    "config.json half-written or lost": (
        "restored from the newest intact checkpoint, reported in one line; before the first checkpoint the run starts from "
        "scratch; another file of that name is left alone"
    ),
    "disk full during a save": (
        "detected before anything is written; the previous checkpoint stays intact, the error names the path and the space "
        "needed, exit code 1; with more space the run resumes with the same bits"
    ),
    "disk full while the data cache is written": "the error names the path and the space needed, exit code 1; nothing is left",
    "disk full during figures": "every file is complete or missing; with more space the same command draws the figures",
    "read-only workdir, a path that is a file, no permission": "one line, exit code 2, before anything is computed",
    "two processes start the same run": (
        "the second is refused, naming the process and host of the first; a crash leaves no lock behind"
    ),
    "a checkpoint from another config, shape, data set or format": "refused, naming what differs; nothing is changed",
    "NaN or inf: learning rate 1e6, a NaN in a data array": (
        "a bad loss stops the run within one dispatch and names the step and the terms; earlier checkpoints stay intact; bad "
        "data are refused before training"
    ),
    "odd surroundings: clock, locale, paths, no HOME, no terminal, closed stdout": (
        "the run has the same bits as usual; an impossible path is an error of one line"
    ),
    "out of memory: an absurd batch size": (
        "refused before training and before anything is written; the error names the memory needed, the memory free, and a "
        "batch size that fits"
    ),
    "random overrides on the command line": (
        "accepted, or one line that names the key and exit code 2: no traceback, no hang, no file left behind"
    ),
    "config.json damaged": "accepted, or one line that names file and key and exit code 2; nothing is changed",
    "image files damaged": "each is decoded, or listed as broken",
    "files that carry code": "nothing that is read is executed: no pickle, no file in the folder of a run",
    "paths that lead outside": "links and .. in a folder or an archive never lead to a read outside it",
    "a stop while a file is written": "files are written under a temporary name and renamed when they are complete",
    "data cache damaged, or the source folder changed under a run that continues": (
        "a damaged cache is rebuilt, reported in one line, and the run has the same bits; changed data are refused with the "
        "reason"
    ),
}
