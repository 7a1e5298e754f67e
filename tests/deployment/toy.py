"""A small Flower app for tests of the harness: one round over all nodes, each returns its array plus one."""

from __future__ import annotations

from pathlib import Path

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "toy"
version = "0.1.0"

[tool.flwr.app]
publisher = "tests"

[tool.flwr.app.components]
serverapp = "toy.server:app"
clientapp = "toy.client:app"

[tool.flwr.app.config]
out = ""
sites = 2
"""

SERVER = """
import json
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    end = time.monotonic() + 60
    while len(nodes := list(grid.get_nodes())) < context.run_config["sites"] and time.monotonic() < end:
        time.sleep(0.2)
    start = time.monotonic()
    content = RecordDict({"array": ArrayRecord([np.zeros(4, np.float32)])})
    messages = [Message(content, node.node_id, "train", ttl=60, group_id="1") for node in nodes]
    left, sums = set(grid.push_messages(messages)), {}
    while left and time.monotonic() < end:
        for reply in grid.pull_messages(left):
            left.discard(reply.metadata.reply_to_message_id)
            if reply.has_content():
                (array,) = reply.content["array"].to_numpy_ndarrays()
                sums[reply.metadata.src_node_id] = (float(array.sum()), reply.content["about"]["site"])
        time.sleep(0.1)
    found = {node.name: [str(node.node_id), *sums.get(node.node_id, ())] for node in nodes}
    result = {"nodes": found, "seconds": time.monotonic() - start}
    Path(context.run_config["out"]).write_text(json.dumps(result))
"""

CLIENT = """
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    arrays = [array + 1 for array in message.content["array"].to_numpy_ndarrays()]
    about = ConfigRecord({"site": context.node_config["site"]})
    return Message(RecordDict({"array": ArrayRecord(arrays), "about": about}), reply_to=message)
"""


def write_toy_app(folder: Path) -> Path:
    """Write the app into ``folder``, which ``flwr run`` then takes."""
    package = folder / "toy"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    for name, source in (("__init__", ""), ("server", SERVER), ("client", CLIENT)):
        (package / f"{name}.py").write_text(source)
    return folder
