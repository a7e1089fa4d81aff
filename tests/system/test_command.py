"""The form of the command in hints."""

from pathlib import Path

from vae_jax.config import command_line
from vae_jax.runs.workdir import resume_command
from vae_jax.system.command import train_command


def test_hints_name_the_command_in_the_form_that_was_typed(monkeypatch):
    for first, expected in (("/a/bin/vae-jax", "vae-jax train"), ("/a/vae_jax/main.py", "python -m vae_jax.main")):
        monkeypatch.setattr("sys.argv", [first, "train"])
        assert train_command() == expected
        assert command_line.help_text(["--help"]).startswith(f"usage: {expected} --config=FILE [--workdir=DIR] ")
        assert resume_command(Path("runs/a b")) == f"{expected} --workdir='runs/a b'"
