"""Who loads a bundle in Python waits for PyTorch and for little else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import get_profile

OTHERS = ("flwr", "grpc", "hydra", "matplotlib", "opacus", "ray", "sklearn", "typer")
"""What other parts of cape-fed need."""
USE = """
import json, sys, time
import numpy, torch
before = time.process_time()
import cape_fed
cape_fed.open_store, cape_fed.load_encoder
seconds = time.process_time() - before
encoder = cape_fed.load_encoder(sys.argv[1], "cpu")
shape = encoder.embed(numpy.random.default_rng(0).normal(0, 0.3, (12, 5000)), fs=500).shape
print(json.dumps({"seconds": seconds, "shape": shape, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def test_loading_and_embedding_import_no_more_than_they_need(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    write_bundle(
        bundle, build_encoder(MODELS["tiny"], 0), get_profile("compact100"), Provenance(method="test", cohorts={})
    )
    command = [sys.executable, "-c", USE, str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads(done.stdout)
    assert len(found["shape"]) == 1
    assert not set(OTHERS) & set(found["modules"])
    assert found["seconds"] < 1  # of the processor's time, after PyTorch's own: 0.2 on an idle machine
