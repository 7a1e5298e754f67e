"""What a site rests on within Flower without Flower promising it; a test holds it against the installed one.

The names that are replaced or called here are private to Flower; `check_flower` says before a SuperNode starts whether
they are still there. Error codes of Flower's are in `cape_fed.federation.failures`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from time import sleep, time
from types import ModuleType
from typing import Any

from flwr.app import ConfigRecord, Error, Message, MessageType, Metadata, RecordDict

from cape_fed.errors import InputError
from cape_fed.federation.fab import PROJECT, App
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.transfer import look_again_soon
from cape_fed.site import superexec
from cape_fed.site.cage.bounds import RUN_NAME
from cape_fed.site.pace import Pace

LOOP = "flwr.supernode.start_client_internal"
"""Module with the loop in which a SuperNode pulls messages and sends replies."""
CLI = "flwr.supernode.cli"
SUPEREXEC = "flower-superexec"
"""The command by which the loop starts the process that starts ClientApps."""
SHORTEST, LONGEST = 0.25, 10.0
"""Seconds between looks for a message: soon after the last one, and when none has come for long. Flower's own are 3.

While a round waits for its slowest site, all others look.
"""
REPLY = 0.1
"""Seconds between looks for a reply of this machine. Flower's own are 0.5."""


Require = Callable[[str, bytes | None, int], None]
"""Raises `NotApprovedError` unless the site runs the app with this hash and, where they are given, these bytes.

The number is the run that asks for it.
"""


Observe = Callable[[str | None], None]
"""Is told None when a message comes, then the name of the run that it is of, empty for a message of none."""


Receive = Callable[[], tuple[Message, Any] | None]
GetFab = Callable[[str, int], Any]
PullObject = Callable[[int, str], bytes]


class NotApprovedError(Exception):
    """The site does not run this app."""


def run_supernode(arguments: Sequence[str], require: Require, observe: Observe, cage: Path | None) -> None:
    """Run Flower's SuperNode in this process until it is stopped, with its loop mended, for approved apps only.

    ``cage`` is the file with the bounds of apps; None leaves them to roam.
    """
    check_flower()
    check_guard()
    mend_the_loop(cage)
    guard_the_loop(require, observe)
    sys.argv = ["flower-supernode", *arguments]
    importlib.import_module(CLI).flower_supernode()


def check_flower() -> None:
    """InputError where the installed Flower has not the names that this module replaces, used where they are known."""
    loop = importlib.import_module(LOOP)
    for function, names in {
        "start_client_internal": ("_pull_and_store_message", "_push_messages", "time", "subprocess"),
        "_push_messages": ("time",),
        "_pull_and_store_message": ("store_run", "store_fab", "create_task", "store_message"),
    }.items():
        if missing := set(names) - set(_names_used(loop, function)):
            raise _unknown(f"{function} does not use {min(missing)}")


def mend_the_loop(cage: Path | None = None) -> None:
    """Pace Flower's loop over messages, which has no setting for it; end when its SuperExec ends.

    A SuperNode whose SuperExec has died stays online and never serves a message again. ``cage`` is as in
    `run_supernode`.
    """
    look_again_soon()
    loop = importlib.import_module(LOOP)
    clock, children = Clock(), Children(cage)

    def message_came() -> None:
        clock.pace.happened()
        children.wake()

    pull = noticing(loop._pull_and_store_message, message_came)
    vars(loop).update(time=clock, subprocess=children, _pull_and_store_message=pull)


def noticing(pull: Callable[..., int | None], message_came: Callable[[], None]) -> Callable[..., int | None]:
    """Flower's function that pulls a message, such that ``message_came`` is called as soon as there is one."""

    def noticed(*, receive: Callable[[], Any], **others: Any) -> int | None:
        def receive_and_tell() -> Any:
            found = receive()
            if found is not None:
                message_came()
            return found

        return pull(receive=receive_and_tell, **others)

    return noticed


def guard_the_loop(require: Require, observe: Observe) -> None:
    """Ask ``require`` for every message and, before anything else is done with it, for every app that is fetched."""
    loop = importlib.import_module(LOOP)
    vars(loop).update(_pull_and_store_message=_guarded(loop._pull_and_store_message, require, observe))


def _guarded(pull: Callable[..., int | None], require: Require, observe: Observe) -> Callable[..., int | None]:
    """Flower's function that pulls a message and its app, such that an app that is not approved gets no further.

    Its message is answered with `SiteFailure.APP`, and neither is kept. An app that was approved can be refused later:
    then its run ends here at the next message.
    """
    insert = importlib.import_module(LOOP)._insert_message

    def guarded(
        *, state: Any, object_store: Any, receive: Receive, get_fab: GetFab, pull_object: PullObject, **others: Any
    ) -> int | None:
        received: list[Message] = []
        runs: list[str] = []

        def receive_and_require() -> tuple[Message, Any] | None:
            found = receive()
            if found is not None:
                received.append(found[0])
                observe(None)
                number = found[0].metadata.run_id
                if run := state.get_run(number):
                    require(run.fab_hash, None, number)
            return found

        def get_and_require(digest: str, number: int) -> Any:
            fab = get_fab(digest, number)
            require(digest, fab.content, number)
            fab.hash_str = digest
            return fab

        def pull_and_observe(number: int, name: str) -> bytes:
            content = pull_object(number, name)
            if (run := _run_named_in(content)) and not runs:
                runs.append(run)
                observe(run)
            return content

        try:
            pulled = pull(
                state=state,
                object_store=object_store,
                receive=receive_and_require,
                get_fab=get_and_require,
                pull_object=pull_and_observe,
                **others,
            )
            if received and not runs:
                observe("")
            return pulled
        except NotApprovedError:
            insert(Message(Error(SiteFailure.APP), reply_to=received[-1]), state, object_store)
            return received[-1].metadata.run_id

    return guarded


def _run_named_in(content: bytes) -> str | None:
    """The run that a message is of, where this is the object of it that says so."""
    if not content.startswith(ConfigRecord.__name__.encode()):
        return None
    try:
        run = json.loads(str(ConfigRecord.inflate(content)["json"]))["run"]
    except (ValueError, KeyError, TypeError):  # another record, or one that the app will refuse
        return None
    return run if isinstance(run, str) and RUN_NAME.fullmatch(run) else None


def check_guard() -> None:
    """InputError unless Flower, asked to fetch an app that is refused, answers so and keeps neither app nor message.

    Tried with what the loop itself uses, a message that nobody sent, and an app of three bytes.
    """
    loop = importlib.import_module(LOOP)
    state, stores = new_state()
    message, run, fab = probe_message()

    def refuse(digest: str, content: bytes | None, number: int) -> None:
        raise NotApprovedError

    logger = logging.getLogger("flwr")
    logger.disabled = True
    try:
        _guarded(loop._pull_and_store_message, refuse, lambda run: None)(
            state=state,
            object_store=stores.store(),
            node_config={},
            receive=lambda: (message, loop.get_object_tree(message)),
            get_run=lambda number: run,
            get_fab=lambda digest, number: fab,
            pull_object=None,
            confirm_message_received=None,
            trusted_entities=None,
        )
    except Exception as error:  # whatever another Flower does with a message that it takes for something else
        raise _unknown(f"it cannot be tried: {type(error).__name__}: {error}") from error
    finally:
        logger.disabled = False
    replies = [reply.error.code for reply in state.get_messages_legacy(is_reply=True)]
    messages = state.get_messages_legacy(is_reply=False)
    if replies != [SiteFailure.APP] or any(
        (state.get_run(1), state.get_fab(fab.hash_str), state.get_tasks(), messages)
    ):
        raise _unknown("it does not stop at an app that is refused")


def installed_name(app: App) -> str | None:
    """Name of the folder in which Flower looks for an app that is installed; None where it would not run it."""
    config = importlib.import_module("flwr.common.config")
    try:
        known = config.get_metadata_from_config(tomllib.loads(app.files[PROJECT].decode()))
        return str(config.get_project_dir(*known, app.hash).name)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def new_state() -> tuple[Any, Any]:
    """What a SuperNode keeps messages, runs and apps in, and the factory of its stores of objects; both empty."""
    stores = importlib.import_module("flwr.supercore.object_store").ObjectStoreFactory()
    state = importlib.import_module("flwr.supernode.nodestate").NodeStateFactory(objectstore_factory=stores).state()
    state.set_node_id(1)
    return state, stores


def probe_message() -> tuple[Message, Any, Any]:
    """A message of run 1 that nobody sent, that run, and its app."""
    metadata = Metadata(1, "probe", 1, 1, "", "join", time(), 60.0, MessageType.QUERY)
    message = importlib.import_module("flwr.app.message").make_message(metadata, RecordDict())
    content = b"app"
    fab = importlib.import_module("flwr.supercore.fab").Fab(hashlib.sha256(content).hexdigest(), content, {})
    run = importlib.import_module("flwr.supercore.run").Run.create_empty(1)
    return message, replace(run, fab_hash=fab.hash_str), fab


class Clock:
    """What the loop uses of the module ``time``."""

    def __init__(self) -> None:
        self.pace = Pace(SHORTEST, LONGEST)

    def sleep(self, seconds: float) -> None:
        """Pause where there was no message, by the pace; or while a message is worked on, for a short time."""
        if seconds < 1:  # 0.5 s in Flower, where a reply is waited for
            self.pace.happened()
            sleep(REPLY)
        else:  # 3 s
            sleep(self.pace.pause())


class Children:
    """What the loop uses of the module ``subprocess``."""

    def __init__(self, cage: Path | None = None) -> None:
        """``cage`` is the file with the bounds of apps, None for none."""
        self.cage = cage
        self.child: subprocess.Popen[bytes] | None = None

    def Popen(self, command: list[str]) -> subprocess.Popen[bytes]:  # noqa: N802
        """Start the SuperExec, paced and with a pipe to wake it by; this process ends when it does."""
        paced = [sys.executable, "-P", "-m", superexec.__name__, str(self.cage or superexec.NO_CAGE), *command]
        self.child = subprocess.Popen(paced, stdin=subprocess.PIPE)
        assert self.child.stdin is not None
        os.set_blocking(self.child.stdin.fileno(), False)
        threading.Thread(target=_end_with, args=(self.child,), daemon=True).start()
        return self.child

    def wake(self) -> None:
        """Let the SuperExec look for something to start."""
        if self.child is not None and self.child.stdin is not None:
            with contextlib.suppress(OSError):  # it has been woken often enough, or ends
                os.write(self.child.stdin.fileno(), b"\n")


def _end_with(child: subprocess.Popen[bytes]) -> None:
    code = child.wait()
    print(f"cape-fed: Flower's SuperExec ended with {code}: this site ends too", file=sys.stderr, flush=True)
    os._exit(1)


def _unknown(why: str) -> InputError:
    return InputError(
        f"Flower {version('flwr')} is not known here ({why}): install the version that this release of cape-fed names"
    )


def _names_used(module: ModuleType, function: str) -> tuple[str, ...]:
    """Global names that a function of a module uses; none where there is no such function."""
    code = getattr(getattr(module, function, None), "__code__", None)
    return code.co_names if code else ()
