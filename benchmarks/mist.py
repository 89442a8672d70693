"""MIST: a training step of each of these recipes, at its size, and detection, against a plain fp32 eager version.

Prints images a second, their ratio, and the peak memory of each in a process of its own. So is each row: what one
leaves in memory makes the plain version of the next faster by a fifth.
`python benchmarks/mist.py` takes some minutes, of which torch.compile takes most; `--rows mist-classify-scales` takes
some rows alone, and `--eager` leaves torch.compile out.
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from typing import Any

import lightning as L
import torch

from boxless.data.batch import Batch
from boxless.engine.recipe import read_recipe
from boxless.engine.run import build
from boxless.hardware import can_compile, has_bf16, machine
from boxless.methods.mist.training import MistTraining
from memory import memory_of, peak_memory
from plain_training import PlainTraining
from speeds import Step, speeds

RECIPES = (
    "mist-classify-mnist",
    "mist-classify-mnist-paper",
    "mist-classify-scales",
    "mist-reconstruct-mnist",
)
DETECTED = "mist-classify-mnist"
DETECTION = "detection"
ROWS = (*RECIPES, DETECTION)


def training_of(recipe_name: str, compile: bool) -> tuple[MistTraining, Batch]:
    """Our training by a recipe, and a batch of its size; of scikit-learn's digits, which are always there."""
    recipe = read_recipe(recipe_name)
    data, run = replace(recipe.data, glyphs="digits"), replace(recipe.run, compile=compile)
    module, sources = build(replace(recipe, data=data, run=run))
    assert isinstance(module, MistTraining)
    return module, sources.validation_source.batch(torch.arange(run.batch_size))


def our_step(row: str, compile: bool) -> tuple[Step, int]:
    """A step as Lightning takes it, with its real precision, outside of the loop around it; and its images."""
    module, batch = training_of(DETECTED if row == DETECTION else row, compile)
    if row == DETECTION:
        images = list(batch.images)
        return lambda: module.model.detect(images), len(images)
    optimizers = module.configure_optimizers()
    stand_ins: Any = module  # for what a trainer gives
    stand_ins.optimizers = lambda: optimizers
    stand_ins.manual_backward = torch.Tensor.backward
    precision = torch.autocast("cpu", torch.bfloat16, enabled=has_bf16())

    def step() -> None:
        with precision:
            module.training_step(batch, 0)

    return step, len(batch.images)


def plain_step(row: str) -> tuple[Step, int]:
    """The same with plain networks."""
    module, batch = training_of(DETECTED if row == DETECTION else row, compile=False)
    plain = PlainTraining(module.model.config, module.settings)
    if row != DETECTION:
        return lambda: plain.step(batch), len(batch.images)

    def detect() -> None:
        with torch.no_grad():
            plain.detect(batch.images)

    return detect, len(batch.images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, help="some alone")
    parser.add_argument("--steps", type=int, default=4, help="in a round")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    parser.add_argument("--memory-of", nargs=2, metavar=("ROW", "WHOSE"), help="used by the benchmark itself")
    arguments = parser.parse_args()
    L.seed_everything(0, verbose=False)
    compile = can_compile("cpu") and not arguments.eager
    if arguments.memory_of:
        row, whose = arguments.memory_of
        step, _ = our_step(row, compile) if whose == "ours" else plain_step(row)
        step()
        print(peak_memory())
        return
    print(machine())
    print(f"{'':30}{'ours':>12}{'plain':>12}{'ratio':>8}{'ours':>12}{'plain':>12}")
    options = ["--eager"] if arguments.eager else []
    for row in arguments.rows:
        if len(arguments.rows) > 1:
            own = [__file__, "--rows", row, "--steps", str(arguments.steps), "--rounds", str(arguments.rounds)]
            done = subprocess.run([sys.executable, *own, *options], check=True, stdout=subprocess.PIPE, text=True)
            print(done.stdout.splitlines()[-1], flush=True)
            continue
        (our, images), (other, _) = our_step(row, compile), plain_step(row)
        ours, plain = speeds(our, other, images, arguments.steps, arguments.rounds)
        memory = [memory_of(__file__, row, whose, *options) for whose in ("ours", "plain")]
        print(
            f"{row:30}{ours:8.1f} im/s{plain:8.1f} im/s{ours / plain:7.2f}x{memory[0]:8d} MiB{memory[1]:8d} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
