"""Orbax as this project uses it: one manager, opened when it is first needed, that saves in the background."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging as absl_logging

from vae_jax.errors import InputError
from vae_jax.runs.checkpoint.trees import Restored, compare, named_leaves, placed_like, target


def _worth_reading(record: logging.LogRecord) -> bool:
    # Nothing from orbax: its warnings are for its authors, and `wait` raises what its threads fail with.
    return "orbax" not in Path(record.pathname).parts


absl_logging.get_absl_logger().addFilter(_worth_reading)


class _Preservation(NamedTuple):
    """A policy of our own: orbax's LatestN and BestN also count stray directories and damaged steps."""

    preserve: Callable[[Sequence[int]], list[bool]]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        return self.preserve([checkpoint.step for checkpoint in checkpoints])


class OrbaxStore:
    """Saves and reads the steps in one directory.

    Args:
        directory: absolute.
        read_only: True if nothing may be created, written or deleted.
        preserve: (steps) -> for each step, True if it stays.
        before_commit: called in orbax's own thread when all items are written, before the directory is renamed.
    """

    def __init__(
        self,
        directory: Path,
        read_only: bool,
        preserve: Callable[[Sequence[int]], list[bool]],
        before_commit: Callable[[], None],
    ) -> None:
        self._directory, self._read_only = directory, read_only
        self._preserve, self._before_commit = preserve, before_commit
        self._manager: Any = None

    def save(self, step: int, state: Any, info: dict) -> None:
        """Start saving; return once the arrays are copied."""
        import orbax.checkpoint as ocp

        args = ocp.args.Composite(state=ocp.args.StandardSave(state), info=ocp.args.JsonSave(info))
        self._open().save(step, args=args, force=True)

    def wait(self) -> None:
        """Wait for the save in flight, and raise what it raised."""
        self._open().wait_until_finished()

    def read(self, step: int, template: Any) -> Restored:
        """Read a step into the template's structure and shardings; without a template, into host arrays.

        Raises:
            InputError: a line for each array whose name, shape or dtype is not the template's, at most five.
        """
        import orbax.checkpoint as ocp

        tree = self._open().item_metadata(step)["state"].tree
        wanted = self._compared(step, tree, tree if template is None else template)
        # Saved structure in, template's structure out: orbax forgets NamedTuples, and pads where the two differ.
        item = jax.tree.map(target, wanted)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(item), info=ocp.args.JsonRestore())
        restored = self._open().restore(step, args=args)
        state = restored["state"] if template is None else placed_like(template, named_leaves(restored["state"]))
        return Restored(step, state, restored["info"])

    def read_info(self, step: int) -> dict:
        """Read the JSON item of a step, and no array."""
        import orbax.checkpoint as ocp

        return self._open().restore(step, args=ocp.args.Composite(info=ocp.args.JsonRestore()))["info"]

    def read_part(self, step: int, name: str, template: Any, without: Sequence[str] = ()) -> Any:
        """Read the part of the state under `name` alone, such as "params", into the template's structure.

        What the part holds under the names `without`, if anything, is not read.

        Raises:
            InputError: see `read`.
        """
        import orbax.checkpoint as ocp

        path = self._directory / str(step) / "state"
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            tree: Any = reader.metadata(path).item_metadata
            whole = jax.tree.map(lambda _: ocp.PLACEHOLDER, tree.tree)
            saved = {inner: tree for inner, tree in tree.tree[name].items() if inner not in without}
            read = jax.tree.map(target, self._compared(step, saved, template, name))
            item = whole | {name: whole[name] | read}
            kinds = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), item)
            restored = reader.restore(path, args=ocp.args.PyTreeRestore(item=item, restore_args=kinds))
        return placed_like(template, named_leaves(restored[name]))

    def _compared(self, step: int, saved: Any, template: Any, at: str = "") -> Any:
        try:
            return compare(saved, template, at)
        except InputError as error:
            raise InputError(f"{self._directory / str(step)} does not fit:\n{error}") from None

    def close(self) -> None:
        """Close the manager; the next call opens another, which lists the directory again."""
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.close()

    def _open(self) -> Any:
        """Return orbax's manager, opened when it is first needed: importing orbax takes 0.2-0.4 s."""
        if self._manager is None:
            import orbax.checkpoint as ocp

            options = ocp.CheckpointManagerOptions(
                preservation_policy=_Preservation(self._preserve),
                async_options=ocp.AsyncOptions(post_finalization_callback=self._before_commit),
                create=False,
                read_only=self._read_only,
                lightweight_initialize=True,
            )
            handlers = {"state": ocp.StandardCheckpointHandler(), "info": ocp.JsonCheckpointHandler()}
            self._manager = ocp.CheckpointManager(self._directory, options=options, item_handlers=handlers)
        return self._manager
