"""Everything a run computes with, built from its config alone: data, model, compiled steps, initial state, keys."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import NamedTuple

import jax
from jaxtyping import Array, PRNGKeyArray

from vae_jax import data
from vae_jax.data.codes import encoded_by
from vae_jax.data.digest import data_digest, mean_of
from vae_jax.data.labels import assert_labelled
from vae_jax.data.levels import levels_of
from vae_jax.data.preprocess import kind_of_pixels, make_preprocess
from vae_jax.data.spec import sample_of, spec_of
from vae_jax.errors import InputError
from vae_jax.evaluation.codes import ready_codes
from vae_jax.evaluation.evaluate import Evaluate, batches_per_call, make_evaluate
from vae_jax.models import make_model, sample_size
from vae_jax.models.likelihoods import asks_levels
from vae_jax.objectives import make_objective
from vae_jax.randomness import keys_of
from vae_jax.system import devices, memory
from vae_jax.system.compilation import keep_compiled
from vae_jax.training import chunks
from vae_jax.training.ahead import compile_chunk_ahead
from vae_jax.training.feed import Feed, make_feed, with_labels
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import make_hparams, make_init, make_train_chunk, make_train_step
from vae_jax.types import Config, Dataset, Hparams, Model, Objective, Spec, TrainState

STEPS_BETWEEN_CHECKPOINTS = 200
"""The least number of steps between two checkpoints if `checkpoint.every_epochs` is 0."""


class Training(NamedTuple):
    """Everything a run computes with; nothing in it changes while the run trains."""

    config: Config
    dataset: Dataset
    spec: Spec
    model: Model
    objective: Objective
    layout: devices.Layout
    chunk: Callable[..., tuple[TrainState, dict[str, Array]]]
    """`pure_chunk`, compiled; it donates the state that it is given."""
    pure_chunk: Callable[..., tuple[TrainState, dict[str, Array]]]
    ready: Callable[[], object]
    """() -> waits for the first call's program, if it is compiled ahead; raises InputError if it does not fit into memory."""
    evaluate: Evaluate
    init: Callable[[PRNGKeyArray], TrainState]
    """(key) -> an initial state; `state` is the one of this run's seed."""
    state: TrainState
    hparams: Hparams
    """The arguments of the compiled program that other runs may have otherwise, see `make_hparams`."""
    feed: Feed
    key_train: PRNGKeyArray
    key_eval: PRNGKeyArray
    data_digest: str
    """A hash of the splits: a resumed run must find the same, see `data_digest`."""
    steps_per_epoch: int
    steps_per_dispatch: int
    checkpoint_epochs: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.spec.shape

    @property
    def pixels(self) -> str:
        """The kind of pixels that the numbers are measured on: see `kind_of_pixels`; or of codes, such as `latents`."""
        return self.spec.codes[0] if self.spec.codes else kind_of_pixels(self.config.binarize, self.shape[2])


def prepare(config: Config, ahead: bool = False, read_only: bool = False) -> Training:
    """Load the data and build the model, the objective, the compiled steps and the initial state of a run.

    Args:
        config: validated.
        ahead: True to compile the first training call's program in the background, for a run that will train.
        read_only: True to refuse codes that are not written yet, and not to write them into the folder of their run.

    Raises:
        InputError: the data are not available, the batch does not fit them or the devices, or the objective not the model.
    """
    dataset = _load_data(config, read_only)
    spec = spec_of(dataset, levels_of(dataset, config) if asks_levels(config) else 0, encoded_by(config))
    steps_per_epoch = spec.num_train // config.batch_size
    model = make_model(config, spec)
    objective = make_objective(config, model, steps_per_epoch)
    devices.check_parts(config.batch_size, jax.device_count(), config.accumulate_steps, objective.smallest_part)
    optimizer = make_optimizer(config, steps_per_epoch, critic=objective.critic_rate is not None)
    layout = devices.make_layout()
    key_init, key_train, key_eval = keys_of(config.seed)
    init = jax.jit(make_init(model, objective, optimizer), out_shardings=layout.replicated)
    mean_image = mean_of(dataset.train.images)
    sample = sample_of(dataset, mean_image, config.split_seed, sample_size(model, spec), model.given is not None)
    step = make_train_step(model, objective, optimizer, accumulate_steps=config.accumulate_steps)
    pure_chunk = make_train_chunk(step, make_preprocess(config.binarize))
    chunk = jax.jit(pure_chunk, donate_argnums=0, out_shardings=layout.replicated)
    feed = make_feed(dataset.train.images, config, layout)
    feed = feed if model.given is None else with_labels(feed, dataset.train.labels, layout)
    # XLA's CPU backend runs convolutions inside a loop 10 times slower: they are dispatched one by one.
    one_step = "conv" in model.traits and jax.default_backend() == "cpu"
    most_steps = min(feed.most_steps, config.steps_per_dispatch or (1 if one_step else steps_per_epoch))
    shapes = _shapes_on(layout, jax.eval_shape(init, key_init, sample))
    memory.assert_state_fits(shapes, config)
    hparams = make_hparams(config, layout.replicated)
    ready: Callable[[], object] = lambda: None  # noqa: E731
    if ahead:
        steps = chunks.chunk_size(0, config.log.latent_every_steps, steps_per_epoch, most_steps)
        chunk, ready = compile_chunk_ahead(config, chunk, shapes, feed, steps, key_train, hparams)
    return Training(
        config=config,
        dataset=dataset,
        spec=spec,
        model=model,
        objective=objective,
        layout=layout,
        chunk=chunk,
        ready=ready,
        pure_chunk=pure_chunk,
        evaluate=make_run_evaluate(config, dataset, model, objective, layout),
        init=lambda key: init(key, sample),
        state=init(key_init, sample),
        hparams=hparams,
        feed=feed,
        key_train=key_train,
        key_eval=key_eval,
        data_digest=data_digest(dataset, mean_image),
        steps_per_epoch=steps_per_epoch,
        steps_per_dispatch=most_steps,
        checkpoint_epochs=config.checkpoint.every_epochs or -(-STEPS_BETWEEN_CHECKPOINTS // steps_per_epoch),
    )


def _load_data(config: Config, read_only: bool) -> Dataset:
    """Set up the machine and load the data; raise InputError if the batch does not fit the devices or the data."""
    # First: it works only before JAX starts its threads, and device_count() starts them.
    devices.keep_memory(config)
    devices.check_batch_size(config.batch_size, jax.device_count(), config.accumulate_steps)
    keep_compiled(config)
    if config.dataset == "codes" and not read_only:
        ready_codes(config, partial(_assert_fits, config))
    dataset = data.load(config)
    _assert_fits(config, dataset)
    return dataset


def _assert_fits(config: Config, dataset: Dataset) -> None:
    """Raise InputError if the labels that a run needs are missing, or there are fewer images than in a batch."""
    if config.condition == "label":
        assert_labelled(dataset, config)
    if len(dataset.train.images) < config.batch_size:
        raise InputError(
            f"batch_size={config.batch_size}: the training split has only {len(dataset.train.images)} images"
        )


def make_run_evaluate(
    config: Config, dataset: Dataset, model: Model, objective: Objective, layout: devices.Layout
) -> Evaluate:
    """Make the run's evaluation, with batches no larger than the largest split."""
    config = deepcopy(config)
    config.eval.batch_size = min(config.eval.batch_size, max(len(split.images) for split in dataset[:3]))
    return make_evaluate(config, model, objective, layout, batches_per_call(config, dataset))


def _shapes_on(layout: devices.Layout, state: TrainState) -> TrainState:
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=layout.replicated), state)


def joined(run: Training, config: Config) -> Training:
    """Return the training of a run that differs from `run` only in its seed and in numbers of HPARAMS; all else is shared."""
    key_init, key_train, key_eval = keys_of(config.seed)
    own = {"hparams": make_hparams(config, run.layout.replicated), "key_train": key_train, "key_eval": key_eval}
    return run._replace(config=config, state=run.init(key_init), **own)
