"""What becomes of processes that do not do what they are told; tests/cli/test_serve.py has the rest."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from cape_fed.errors import RunError
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import Provenance
from cape_fed.serving import processes
from cape_fed.serving.options import Limits, Options
from cape_fed.signal.profile import get_profile

pytestmark = pytest.mark.slow


def test_a_process_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processes, "ENDING", 0.5)
    write_bundle(
        tmp_path / "bundle", build_encoder(MODELS["tiny"], 0), get_profile("compact100"), Provenance(method="test")
    )
    options = Options("127.0.0.1", 0, limits=Limits(drain=0.5, threads=2))
    children = []

    async def serve() -> None:
        info = {"model": "m", "version": "v", "profile": "p"}
        serving = asyncio.create_task(processes.serve_in_processes(tmp_path / "bundle", "cpu", options, 2, info))
        with caplog.at_level("INFO", processes.log.name):
            while "version v" not in caplog.text and not serving.done():
                await asyncio.sleep(0)
        children.extend(multiprocessing.active_children())
        assert children[0].pid is not None
        os.kill(children[0].pid, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGTERM)
        await serving

    with pytest.raises(RunError, match="did not end in time and was killed"):
        asyncio.run(serve())
    assert len(children) == 2
    assert not any(child.is_alive() for child in children)
