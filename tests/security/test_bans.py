"""The ban-list finds each thing it names, however it is written, and the product has none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bans import banned

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(
    path for folder in ("shared", "daemon", "plugins", "installers") for path in (ROOT / folder).rglob("*.py")
)

SAMPLES = [
    "import pickle",
    "import pickle as p",
    "from pickle import loads",
    "import dill, os",
    "def f():\n    import cloudpickle",
    "import marshal",
    "import shelve",
    "socket.recv_pyobj()",
    "self._socket.send_pyobj(x)",
    "getattr(socket, 'recv_pyobj')()",
    "import torch\ntorch.load('w')",
    "import torch as t\nt.load('w', weights_only=True)",
    "from torch import load",
    "import torch\nread = torch.load",
    "eval('1')",
    "exec(text)",
    "compile(text, 'x', 'exec')",
    "__import__(name)",
    "from builtins import eval as e",
    "import builtins\nbuiltins.exec('')",
    "pipe(x, trust_remote_code=True)",
    "pipe(x, trust_remote_code=flag)",
    "run(x, shell=True)",
    "run(x, shell=bool(1))",
    "import subprocess\nsubprocess.getoutput('x')",
    "import yaml\nyaml.load(f)",
    "import yaml as y\ny.unsafe_load(f)",
    "from yaml import load",
    "import os\nos.system('x')",
    "from os import popen",
    "import os as o\no.popen('x')",
    "import numpy as np\nnp.load(f, allow_pickle=True)",
    "load(f, weights_only=False)",
]
HARMLESS = [
    "'''import pickle; eval(x)'''",
    "# torch.load",
    "run(x, shell=False)",
    "pipe(x, trust_remote_code=False)",
    "import numpy as np\nnp.load(f, allow_pickle=False)",
    "import re\nre.compile('x')",
    "import json\njson.load(f)",
    "self.load()",
    "model.eval()",
]
BY_RUFF = ["import pickle", "eval('1')", "exec(t)", "import torch\ntorch.load('w')", "import os\nos.system('x')"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_it_catches(sample: str) -> None:
    assert banned(sample)


@pytest.mark.parametrize("sample", HARMLESS)
def test_it_lets_be(sample: str) -> None:
    assert banned(sample) == []


def test_the_product_has_none() -> None:
    assert len(PRODUCT) > 100
    found = {
        str(path.relative_to(ROOT)): hits for path in PRODUCT if (hits := banned(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize("sample", BY_RUFF)
def test_the_linter_of_make_check_knows_them_too(sample: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--no-cache", "--select", "S,TID251"]
    command += ["--stdin-filename", "daemon/secondtake_daemon/sample.py", "-"]
    found = subprocess.run(command, input=sample, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
    assert found.returncode == 1, found.stderr
