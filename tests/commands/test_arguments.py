"""Flags that commands share: errors of one line, and files that are not overwritten."""

from pathlib import Path

import pytest

from vae_jax.commands import arguments, compare, index, report, sample, sweep
from vae_jax.errors import InputError


def make_parser() -> arguments.Parser:
    parser = arguments.Parser("Do it: `vae-jax do`")
    parser.add_run()
    for name in ("count", "seed", "seeds", "pair", "names"):
        parser.add_argument(f"--{name}", type=getattr(arguments, name))
    return parser


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        ("--count=abc", "argument --count: abc is not a whole number, at least 1"),
        ("--count=0", "argument --count: 0 is not a whole number, at least 1"),
        ("--seed=1.5", "argument --seed: 1.5 is not a whole number from 0 to 4294967295"),
        ("--seeds=0,a", "argument --seeds: a is not a whole number from 0 to 4294967295"),
        ("--seeds=1,1", "argument --seeds: 1,1: a seed occurs twice"),
        ("--pair=3", "argument --pair: 3 is not two whole numbers, such as 3,7"),
        ("--pair=3,x", "argument --pair: 3,x is not two whole numbers, such as 3,7"),
        ("--names=3", "argument --names: 3 is not two names, such as cat,dog"),
        ("--names=3,", "argument --names: 3, is not two names, such as cat,dog"),
        ("--count", "--count: its value is missing; write --count=VALUE"),
        (
            "--cuont=3",
            "--cuont=3: unknown; choices: --help, --workdir, --which, --count, --seed, --seeds, --pair, --names",
        ),
    ],
)
def test_a_bad_flag_is_one_line_that_says_what_fits(flag, line):
    with pytest.raises(InputError) as caught:
        make_parser().parse_args(["--workdir=x", flag])
    assert str(caught.value) == f"{line}; --help lists the flags"


def test_good_flags_are_read():
    words = ["--workdir", "x", "--count=3", "--seed=0", "--seeds=0,4", "--pair=3,-7", "--names=cat,dog"]
    flags = make_parser().parse_args(words)
    assert (flags.workdir, flags.count, flags.seed, flags.seeds) == (Path("x"), 3, 0, (0, 4))
    assert (flags.pair, flags.names) == ((3, -7), ("cat", "dog"))


@pytest.mark.parametrize("name", ["compare", "report", "index"])
def test_only_a_page_is_overwritten(runs, tmp_path, name):
    path, vae, ae = tmp_path / "mine.py", runs["vae"], runs["ae"]
    command, words = {
        "compare": (compare.main, [f"--workdirs={vae},{ae}"]),
        "report": (report.main, [f"--workdir={vae}"]),
        "index": (index.main, [str(Path(vae).parent)]),
    }[name]
    path.write_text("print('mine')\n")
    with pytest.raises(
        InputError, match=f"^--output={path}: there already, and no page of vae_jax; choices: a new file$"
    ):
        command([*words, f"--output={path}"])
    assert path.read_text() == "print('mine')\n"
    path.unlink()
    for _ in range(2):
        command([*words, f"--output={path}"])
    assert arguments.PAGE_MARK in path.read_bytes()


def test_fewer_samples_than_a_folder_has_are_refused(runs, tmp_path):
    words = [f"--workdir={runs['vae']}", f"--output={tmp_path}"]
    for _ in range(2):
        sample.main([*words, "--num=3"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"has sample_0002.png and more of another command; choices: a new folder$"):
        sample.main([*words, "--num=2", "--seed=1"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_sweep_that_is_refused_leaves_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"^--over: latent_dim=2 occurs twice$"):
        sweep.main(["--config=vae", "--over=latent_dim=2,2", f"--output={tmp_path / 'new'}"])
    assert not [*tmp_path.iterdir()]
