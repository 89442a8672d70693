"""A training run: a recipe in, a run directory out."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from boxless.data.files import write_atomically
from boxless.engine.calibration import calibrate
from boxless.engine.checkpoints import (
    LAST,
    AtomicCheckpoints,
    SaveBadBatch,
    check_fits,
    checkpoint_callbacks,
    read_checkpoint,
)
from boxless.engine.defaults import completed
from boxless.engine.loaders import check_shares, evaluation_loader, training_loader
from boxless.engine.module import TrainingModule
from boxless.engine.progress import TrainingProgress
from boxless.engine.recipe import RECIPE_FILE, Recipe, read_recipe, recipe_from, write_recipe
from boxless.engine.records import JsonLines, KeepRecord, is_other_rank
from boxless.engine.sources import Images, Source, training_sources
from boxless.engine.stopping import StopInTime, StopWhenInterrupted
from boxless.errors import BoxlessError
from boxless.hardware import can_compile, fastest_device, has_bf16
from boxless.methods.detector import CONFIG_FILE, Detector, read_description, shrink_of
from boxless.methods.registry import model_type, training_type
from boxless.models import load
from boxless.plain import from_plain

PROBLEMS_FILE = "problems.txt"
LONG_ENOUGH_TO_COMPILE = 500  # steps


def train(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    max_time: float | None = None,
    devices: int = 1,
    progress: bool = True,
) -> Detector:
    """Train by a recipe, completed by what its data tell, and leave a run directory that is complete in itself.

    It holds ``config.yaml`` (the recipe), ``model.json`` and ``model.safetensors`` (the best model so far, for
    ``boxless.load``), ``last.ckpt`` and ``best.ckpt`` (the training state), ``metrics.jsonl``, and TensorBoard's
    events in ``tensorboard/``. At the end the best model, of a method that learns from counts, gets the threshold that
    counts best on the validation images.

    Args:
        recipe: a recipe, its name, or a YAML file. How many objects an image holds, its colours and the like are
            taken from the data where it leaves them open, see ``boxless.engine.defaults``.
        out: the run directory; must not hold a run yet, unless ``resume``.
        resume: go on where the run stopped, in time or interrupted (after a ``kill -9`` at the end of the last epoch),
            to the same weights, to the bit on one machine; by the recipe that it was
            begun with, to the end of this one if that is later.
        max_time: stop after so many seconds, at the end of a step, and validate; ``resume`` goes on. In the middle of
            an epoch that is one validation more, whose model may be the best, and TUSK names its prototypes, which it
            does before each, by what is left of the epoch.
        devices: processes (on a CPU) or GPUs.
        progress: show it.

    Returns:
        The best model on the validation images.

    Raises:
        BoxlessError: the recipe, the data or the directory are not usable.
        KeyboardInterrupt: Ctrl-C, or SIGTERM, after the step that it fell into has been saved.
    """
    if max_time is not None and not isinstance(max_time, int | float):
        raise BoxlessError(f"max_time is a number of seconds, as 1800, not {max_time!r}.")
    recipe = recipe_from(asdict(recipe), "The recipe") if isinstance(recipe, Recipe) else read_recipe(recipe)
    out = Path(out)
    if resume and (out / RECIPE_FILE).is_file():
        recipe = _longer(read_recipe(out / RECIPE_FILE), recipe.run.steps)
        if not is_other_rank():
            write_recipe(out / RECIPE_FILE, recipe)
    else:
        recipe, told = completed(recipe)
        if told:
            logging.getLogger("boxless").info("settings by the data: %s", "; ".join(told))
    return train_and_keep_data(recipe, out, resume, max_time, devices, progress).detector


def _longer(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with so many steps, if it has fewer."""
    return replace(recipe, run=replace(recipe.run, steps=max(recipe.run.steps, steps)))


class Trained(NamedTuple):
    """The best model of a run, and the images that it was validated on."""

    detector: Detector
    validation_source: Source


def train_and_keep_data(
    recipe: Recipe, run: Path, resume: bool, max_time: float | None, devices: int, progress: bool
) -> Trained:
    """As :func:`train`, by a recipe as it is, for who wants to see more of the images that were held out."""
    check_shares(recipe.run.batch_size, devices)
    checkpoint = _checkpoint_of(run, resume)
    L.seed_everything(recipe.run.seed, verbose=False)
    module, data = build(recipe, devices, run / PROBLEMS_FILE, progress and not is_other_rank())
    if resume:
        _check_classes(run, module)
    elif not is_other_rank():
        _begin(run, recipe)  # only now: what cannot be built leaves no run in the way of another try
    done = Done()
    if checkpoint is not None:
        state = read_checkpoint(checkpoint)
        check_fits(state, module, checkpoint)
        done = Done.of(state)
    elif resume:
        logging.getLogger("boxless").warning("%s was left before anything was saved: it begins at its first step.", run)
    interrupts = StopWhenInterrupted(told=progress and not is_other_rank())
    with _quiet():
        trainer = _trainer(recipe, run, done, [interrupts, *_ending(max_time)], devices, progress)
        trainer.fit(module, data.training(trainer), data.validation(trainer), ckpt_path=checkpoint)
    if interrupts.interrupted:
        raise KeyboardInterrupt
    detector = load(run)
    if trainer.is_global_zero and detector.learns_from_counts:
        calibrate(detector.to(trainer.strategy.root_device), data.validation_source, progress)
        detector.cpu().save_description(run)
    return Trained(detector, data.validation_source)


class Done(NamedTuple):
    """What a run has behind it; of its epochs some may have been broken off."""

    epochs: int = 0
    steps: int = 0

    @classmethod
    def of(cls, checkpoint: dict[str, Any]) -> "Done":
        """As a training state says."""
        return cls(int(checkpoint["epoch"]) + 1, int(checkpoint["state_dict"]["step_count"]))


class RunData(NamedTuple):
    """What a run learns from: functions from a trainer to its loaders, and all that it validates on."""

    training: Callable[[L.Trainer], Any]
    validation: Callable[[L.Trainer], Any]
    validation_source: Source


def build(
    recipe: Recipe, devices: int = 1, problems_file: Path | None = None, progress: bool = False
) -> tuple[TrainingModule, RunData]:
    """The training module of a recipe, and its data.

    Raises:
        BoxlessError: a setting or the data are not usable.
    """
    kind = model_type(recipe.method)
    seen = from_plain(kind.config_type, recipe.model | {"class_names": ["any"]}, "model")  # the data tell the names
    train_source, validation_source, problems = training_sources(
        recipe.data,
        recipe.run.seed,
        seen.channels,
        seen.max_side,
        shrink_of(seen),
        labels_needed=kind.labels_are == "needed",
        places=kind.labels_are == "used" or kind.sees_boxes,
        progress=progress,
    )
    if kind.sees_boxes and not train_source.places:
        raise BoxlessError(
            f"{recipe.method} learns from boxes, which not all images of {recipe.data.folder} have; add a COCO file, "
            "or train mist-classify, which needs none."
        )
    names = _class_names(kind, train_source)
    config = from_plain(kind.config_type, recipe.model | names, "model")
    training = training_type(recipe.method)
    settings = from_plain(training.settings_type, recipe.training, "training")
    compile = recipe.run.compile
    if compile is None:
        long = recipe.run.steps >= LONG_ENOUGH_TO_COMPILE
        compile = long and can_compile(fastest_device()) and train_source.one_size
    model = kind(config).channels_last()
    if isinstance(train_source, Images):
        train_source, too_small = train_source.shown_by(model)
        problems += too_small
    _tell_problems(problems, problems_file)
    module: TrainingModule = training(model, settings, recipe.run.epochs * recipe.run.steps_per_epoch, compile)
    module.places_choose = recipe.data.folder is None or kind.sees_boxes
    run = recipe.run

    def training_part(trainer: L.Trainer) -> Any:
        rank, world = trainer.global_rank, trainer.world_size
        return training_loader(
            train_source, run.batch_size, run.steps_per_epoch, run.seed, lambda: module.steps_done, rank, world
        )

    def validation_part(trainer: L.Trainer) -> Any:
        return evaluation_loader(validation_source, 64, trainer.global_rank, trainer.world_size)

    return module, RunData(training_part, validation_part, validation_source)


def _tell_problems(problems: list[str], file: Path | None) -> None:
    """Warn of images that are passed over, and leave the sentences in a file."""
    if file is not None:
        if problems:
            write_atomically(file, "\n".join(problems) + "\n")
        else:
            file.unlink(missing_ok=True)  # of an earlier start of the run
    for problem in problems:
        logging.getLogger("boxless").warning("skipped: %s", problem)


def _class_names(kind: type[Detector], source: Source) -> dict[str, tuple[str, ...]]:
    """The setting of the model that the labels of the data make, where they are made use of and there are any."""
    if kind.labels_are == "ignored" or (kind.labels_are == "used" and not source.class_names):
        return {}
    return {"class_names": source.class_names}


def _checkpoint_of(run: Path, resume: bool) -> Path | None:
    """The checkpoint to go on from, if there is one; a new run must not lie where one lies already."""
    checkpoint = run / f"{LAST}.ckpt"
    if resume:
        if not (run / RECIPE_FILE).is_file():
            raise BoxlessError(f"{run} holds no run to resume: it has no {RECIPE_FILE}; train without --resume.")
        return checkpoint if checkpoint.is_file() else None
    if (run / RECIPE_FILE).exists() and not is_other_rank():  # which the first one started, after it had begun the run
        raise BoxlessError(f"{run} holds a run already; go on with --resume, or give another directory by --out.")
    return None


def _check_classes(run: Path, module: TrainingModule) -> None:
    """That the data name the classes that the run has begun to learn, in their order.

    Raises:
        BoxlessError: they name others.
    """
    if not (run / CONFIG_FILE).is_file():
        return
    before, now = read_description(run)["config"].get("class_names"), list(module.trained_model.config.class_names)
    if before is not None and before != now:
        raise BoxlessError(
            f"{run} has begun to learn the classes {', '.join(map(str, before))}, and its data now name "
            f"{', '.join(now)}; bring the old ones back, or train anew without --resume."
        )


def _begin(run: Path, recipe: Recipe) -> None:
    """Leave the recipe in the run directory."""
    if recipe.data.folder is not None:
        recipe = replace(recipe, data=replace(recipe.data, folder=str(Path(recipe.data.folder).resolve())))
    write_recipe(run / RECIPE_FILE, recipe)


def _ending(max_time: float | None) -> list[Callback]:
    return [] if max_time is None else [StopInTime(max_time)]


def _trainer(recipe: Recipe, run: Path, done: Done, ends: list[Callback], devices: int, progress: bool) -> L.Trainer:
    settings = recipe.run
    device = fastest_device()
    bf16 = settings.precision == "auto" and has_bf16(device)
    callbacks: list[Callback] = [*checkpoint_callbacks(run), KeepRecord(run), SaveBadBatch(run), *ends]
    if progress:
        callbacks.append(TrainingProgress(settings.epochs, settings.steps_per_epoch))
    return L.Trainer(
        accelerator=device,
        devices=devices,
        strategy="auto" if devices == 1 else "ddp_find_unused_parameters_true",
        precision="bf16-mixed" if bf16 else "32-true",
        max_epochs=done.epochs + settings.epochs - done.steps // settings.steps_per_epoch,
        reload_dataloaders_every_n_epochs=1,  # asks for their length again
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=[TensorBoardLogger(run, name="", version="tensorboard"), JsonLines(run, done.epochs)],
        plugins=[AtomicCheckpoints()],
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        default_root_dir=run,
    )


class _quiet(warnings.catch_warnings):
    """Silences Lightning's advice that does not apply here; its own logger speaks of errors alone."""

    def __enter__(self) -> Any:
        result = super().__enter__()
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*num_workers.*|.*does not have many workers.*")
        loggers = [name for name in logging.root.manager.loggerDict if name.startswith("lightning")]
        self._levels = {name: logging.getLogger(name).level for name in loggers}
        for name in loggers:
            logging.getLogger(name).setLevel(logging.ERROR)
        return result

    def __exit__(self, *details: Any) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        super().__exit__(*details)
