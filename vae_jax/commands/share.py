"""Share a trained model: `vae-jax share --workdir=RUN [--license=NAME] [--push=user/model]`

Writes RUN/shared: the weights as safetensors, config.json, a picture and a model card, without any path of this machine.
The classes of your own images are numbered, unless --class-names shares their names, which are those of your folders.
--push puts them on the Hugging Face hub, as whoever HF_TOKEN or `hf auth login` says. Needs pip install 'vae_jax[hub]'.
"""

from vae_jax.artifacts.pretrained import hub, saving
from vae_jax.commands import arguments
from vae_jax.data.labels import listed
from vae_jax.errors import InputError
from vae_jax.runs.loading import load_run
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_output("RUN/shared")
    parser.add_argument("--license", metavar="NAME", help="the licence, such as apache-2.0 (not given)")
    parser.add_argument("--push", metavar="USER/MODEL", help="the name on the hub (not pushed)")
    parser.add_argument("--class-names", action="store_true", help="share the names of your own classes (numbered)")
    parser.add_argument(
        "--card", choices=saving.CARDS, default="", help="keep or replace a card that was edited (refused)"
    )
    flags = parser.parse_args(argv)
    _check(flags.license, flags.push)
    run, console = load_run(flags.workdir, flags.which), Console()
    folder = arguments.output_folder(flags, "shared")
    names = {"name": flags.push or "", "class_names": flags.class_names}
    try:
        paths = saving.save_pretrained(run, folder, flags.license or "", card=flags.card, **names)
    except InputError as error:
        raise InputError(str(error).replace(" card=", " --card=")) from None
    for path in paths:
        console.line(f"{path}  {format_bytes(path.stat().st_size)}")
    _tell_names(saving.own_names(run), flags.class_names, console)
    loaded = str(folder.absolute())
    if flags.push:
        try:
            console.line(hub.push(folder, flags.push, flags.card))
        except InputError as error:
            raise InputError(f"--{error}; the folder {folder} is complete") from None
        loaded = flags.push
    console.line(f"  in Python: run = vae_jax.from_pretrained({loaded!r})")


def _tell_names(names: tuple[str, ...], shared: bool, console: Console) -> None:
    """Print whether the names of the classes of a person's own images go to others, if there are any."""
    if names and shared:
        console.line(f"  it holds the names of {len(names)} classes of your own images: {listed(list(names))}")
    elif names:
        console.line(f"  its {len(names)} classes are numbered, and their names stay here; --class-names shares them")


def _check(license: str | None, name: str | None) -> None:
    """Raise InputError for flags that are wrong, before anything is read."""
    try:
        if license == "":
            raise InputError("license=: empty; choices: such as apache-2.0, mit, cc-by-4.0, or no --license")
        saving.assert_license(license or "")
        if name is not None:
            hub.assert_name("push", name)
            hub.client(f"push={name}")
    except InputError as error:
        raise InputError(f"--{error}") from None
