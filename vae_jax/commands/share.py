"""Share a trained model: `vae-jax share --workdir=RUN [--license=NAME] [--push=user/model]`

Writes RUN/shared: the weights as safetensors, config.json, a picture and a model card, without any path of this machine.
--push puts them on the Hugging Face hub, as whoever HF_TOKEN or `hf auth login` says. Needs pip install 'vae_jax[hub]'.
"""

from vae_jax.artifacts.pretrained import hub, saving
from vae_jax.commands import arguments
from vae_jax.errors import InputError
from vae_jax.runs.loading import load_run
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_output("RUN/shared")
    parser.add_argument("--license", default="", metavar="NAME", help="the licence, such as apache-2.0 (not given)")
    parser.add_argument("--push", default="", metavar="USER/MODEL", help="the name on the hub (not pushed)")
    flags = parser.parse_args(argv)
    _check(flags.license, flags.push)
    run, console = load_run(flags.workdir, flags.which), Console()
    folder = arguments.output_folder(flags, "shared")
    for path in saving.save_pretrained(run, folder, flags.license, name=flags.push):
        console.line(f"{path}  {format_bytes(path.stat().st_size)}")
    loaded = str(folder.absolute())
    if flags.push:
        try:
            console.line(hub.push(folder, flags.push))
        except InputError as error:
            raise InputError(f"--{error}; the folder {folder} is complete") from None
        loaded = flags.push
    console.line(f"  in Python: run = vae_jax.from_pretrained({loaded!r})")


def _check(license: str, name: str) -> None:
    """Raise InputError for flags that are wrong, before anything is read."""
    try:
        saving.assert_license(license)
        if name:
            hub.assert_name("push", name)
            hub.client(f"push={name}")
    except InputError as error:
        raise InputError(f"--{error}") from None
