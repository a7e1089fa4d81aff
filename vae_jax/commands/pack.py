"""Pack folders of images into array_record shards: `vae-jax pack --config=FILE --output=DIR [--config.KEY=VALUE ...]`

The keys are those of a run with --config.dataset=folder, such as data_dir, split and image_size: images are decoded, resized and
split as for that run, and stored as PNG without loss. A run with --config.dataset=grain --config.data_dir=DIR has the same images
in the same splits. It reads the training images as it needs them, so they may be more than the disk could hold decoded.
Such a run needs pip install 'vae_jax[grain]'.
"""

import shlex

from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.data.records.pack import pack_folder
from vae_jax.errors import InputError
from vae_jax.system.command import train_command
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes

OF_FOLDERS = (
    *("dataset", "data_dir", "train_dir", "val_dir", "test_dir", "split", "split_target"),
    *("background", "skip_broken"),
)
"""The keys that a run on the shards does not need."""


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_config()
    parser.add_argument("--output", type=arguments.path, required=True, metavar="DIR", help="the new folder")
    parser.add_argument(
        "--per_shard", type=arguments.count, default=10_000, metavar="N", help="images of a shard (10000)"
    )
    flags = parser.parse_config(argv)
    config = command_line.read_file(flags.config, flags.overrides)
    if config.dataset != "folder":
        raise InputError(f"dataset={config.dataset}: folders of images can be packed; choices: dataset=folder")
    counts = pack_folder(config, flags.output, flags.per_shard)
    shards = list(flags.output.glob("*.array_record-*"))
    size = format_bytes(sum(path.stat().st_size for path in shards))
    console = Console()
    images = "/".join(f"{count:,}" for count in counts.values())
    console.line(f"{flags.output}: {images} images, {size} in {len(shards)} files")
    kept = [f"--config.{key}={value}" for key, value in flags.overrides if key not in OF_FOLDERS]
    words = [
        f"--config={flags.config}",
        "--config.dataset=grain",
        f"--config.data_dir={flags.output.absolute()}",
        *kept,
    ]
    console.line(f"  {train_command()} {shlex.join(words)}")
