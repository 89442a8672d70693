"""Two gloo processes on a CPU train as one process with the same batches."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from boxless.engine.checkpoints import read_checkpoint
from boxless.engine.run import train
from tests.engine.tiny import tiny_recipe

TRAIN = """
import sys
from boxless.engine.run import train
from tests.engine.tiny import tiny_recipe
train(tiny_recipe(precision="32"), sys.argv[1], devices=2, progress=False)
"""


def test_two_processes_equal_one_up_to_rounding(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TRAIN)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, str(script), str(tmp_path / "two")], env=environment, check=True, timeout=200)
    train(tiny_recipe(precision="32"), tmp_path / "one", progress=False)
    one, two = (read_checkpoint(tmp_path / name / "last.ckpt")["state_dict"] for name in ("one", "two"))
    assert int(two["step_count"]) == 6
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=2e-2, atol=2e-3, msg=lambda text, n=name: f"{n}: {text}")
