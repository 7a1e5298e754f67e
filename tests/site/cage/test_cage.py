"""What an app in a cage can do of what it should not: nothing. Tried by a program that tries each."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.monitoring.activity import read_activity
from cape_fed.site import audit
from cape_fed.site.cage import bubblewrap, launch, setup
from cape_fed.site.cage.bounds import Bounds, note_run
from cape_fed.site.cage.trial import FEW, LITTLE, breaches
from cape_fed.site.check.cage import check_cage
from cape_fed.site.check.finding import Subject
from cape_fed.site.config import CageOptions, SiteConfig, SuperLinkAccess
from cape_fed.site.daily import counting
from cape_fed.site.ledger import ledger_of
from cape_fed.site.warmth import WarmProcess

RUN, OTHER = "0123456789ab", "ba9876543210"
needs_bubblewrap = pytest.mark.skipif(bubblewrap.why_not() is not None, reason=f"{bubblewrap.why_not()}")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SiteConfig:
    for folder in (
        "store",
        "other-store",
        "site.apps",
        f"state/{RUN}",
        f"state/{OTHER}",
        "state/refused",
        "state/privacy",
        "state/audit",
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_text("x")
    for file in ("salt", "key", "state.audit-head", "state.ledger-head", "state/audit/log.jsonl", "state/audit/.lock"):
        (tmp_path / file).write_text("secret" * 10)
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(tmp_path / "salt"))
    access = SuperLinkAccess(address="localhost:1", certificate=tmp_path / "ca", key=tmp_path / "key")
    return SiteConfig(
        name="a", role="train", stores=(tmp_path / "store",), state=tmp_path / "state", device="cpu",
        apps=tmp_path / "site.apps", superlink=access,
    )  # fmt: skip


@pytest.fixture
def bounds(site: SiteConfig, tmp_path: Path) -> Bounds:
    (tmp_path / "runtime" / "empty").mkdir(parents=True)
    return setup.bounds_of(site, tmp_path / "runtime")


def said(bounds: Bounds, code: str, *, port: int = 0, run: str = "", warm: Path | None = None) -> tuple[int, str]:
    """Exit code and output of a program in the cage."""
    with tempfile.TemporaryFile() as output:
        command = [sys.executable, "-I", "-c", code]
        done = launch.run_caged(bounds, command, port=port, run=run, warm=warm, output=output, quiet=True)
        output.seek(0)
        return done, output.read().decode()


@needs_bubblewrap
def test_the_last_hashes_of_audit_log_and_ledger_can_be_written_where_they_are_kept(bounds: Bounds) -> None:
    heads = [file for file in bounds.files if file.endswith("-head")]
    assert [Path(file).name for file in heads] == ["state.audit-head", "state.ledger-head"]
    code = "import os\nfor path in {}: os.pwrite(os.open(path, os.O_WRONLY), b'new', 0)"
    assert said(bounds, code.format(heads))[0] == 0
    assert all(Path(file).read_text().startswith("new") for file in heads)


@needs_bubblewrap
@pytest.mark.parametrize("entering", [False, True])
def test_nothing_that_is_tried_works(bounds: Bounds, tmp_path: Path, entering: bool) -> None:
    secrets = [
        tmp_path / name
        for name in ("salt", "key", "other-store/file", "site.apps/file", "state/refused/file", f"state/{OTHER}/file")
    ]
    places = [tmp_path, tmp_path / "store", tmp_path / "site.apps", tmp_path / "state" / OTHER, Path(sys.prefix)]
    places += [tmp_path / "state", tmp_path / "state" / "audit", tmp_path / "state" / "refused"]
    places += [Path("/"), Path("/etc"), Path("/usr/lib"), Path("/dev"), Path("/var/tmp")]
    places = [place for place in places if place.exists()]
    assert breaches(bounds, read=[*secrets, Path("/etc/shadow")], write=places, entering=entering) == []


@needs_bubblewrap
def test_what_is_let_in_is_noticed(bounds: Bounds, tmp_path: Path) -> None:
    """So that the trial could fail."""
    wide = replace(bounds, read=(str(tmp_path),), files=(str(tmp_path / "other-store"),))
    found = breaches(wide, read=[tmp_path / "salt"], write=[tmp_path / "other-store"])
    assert found == [f"read {tmp_path / 'salt'}", f"write {tmp_path / 'other-store'}"]


@needs_bubblewrap
def test_an_app_reads_its_stores_and_writes_its_own_run(bounds: Bounds, site: SiteConfig) -> None:
    code = (
        f"from pathlib import Path; state = Path({str(site.state)!r});"
        f"print(Path({str(site.stores[0])!r}, 'file').read_text());"
        f"(state / {RUN!r} / 'kept').write_text('1'); (state / 'log.txt').open('a').write('line');"
        f"print(sorted(p.name for p in (state / {RUN!r}).iterdir()), list((state / {OTHER!r}).iterdir()))"
    )
    assert said(bounds, code, run=RUN) == (0, "x\n['file', 'kept'] []\n")
    assert (site.state / RUN / "kept").read_text() == "1"
    assert (site.state / OTHER / "file").exists()


BOOKS = """
import sys
from datetime import datetime
from pathlib import Path
from cape_fed.monitoring.activity import begin_work
from cape_fed.site import audit
from cape_fed.site.config import SiteConfig
from cape_fed.site.daily import counting
from cape_fed.site.ledger import ledger_of
from cape_fed.site.logbook import logging_as
site = SiteConfig.model_validate_json({site!r})
audit.record(site, "joined")
ledger_of(site).append("exposed", {{"roster": "r", "patients": []}})
assert begin_work(site.state, "train") is not None
with counting(site, datetime(2026, 1, 1)) as day: day.add()
with logging_as(site):
    __import__("logging").getLogger("cape_fed").warning("written")
(site.run_folder({run!r}) / "kept").write_text("1")
"""


@needs_bubblewrap
def test_what_an_app_has_to_write_it_can_and_a_folder_that_stays_empty_is_of_no_run(
    bounds: Bounds, site: SiteConfig, tmp_path: Path
) -> None:
    """Audit log, ledger, what the site does, how much a day, its log, and the folder of its run."""
    for file in (*site.state.rglob("audit/*"), site.audit_head_file, site.ledger_head_file):
        file.unlink()
    ledger_of(site).begin()
    audit.record(site, "node started")
    new = "c" * 12
    read = (*bounds.read, str(Path(audit.__file__).parents[2]))
    code = BOOKS.format(site=site.model_dump_json(), run=new)
    code = f"import sys; sys.path.insert(0, {read[-1]!r})\n{code}"
    assert said(replace(bounds, read=read), code, run=new) == (0, "")
    assert [entry["kind"] for entry, _ in audit.read_entries(site)] == ["node started", "joined"]
    assert [entry.kind for entry in ledger_of(site).entries()] == ["opened", "exposed"]
    activity = read_activity(site.state)
    assert activity is not None
    assert activity.working is not None
    with counting(site, datetime(2026, 1, 1)) as day:
        assert day.rounds == 1
    assert "WARNING cape_fed written" in (site.state / "log.txt").read_text()
    assert (site.state / new / "kept").exists()
    other = "d" * 12
    assert said(bounds, f"import os; print(os.listdir({str(site.state / other)!r}))", run=other) == (0, "[]\n")
    assert not (site.state / other).exists()


@needs_bubblewrap
def test_the_way_to_the_supernode_is_the_only_one(bounds: Bounds) -> None:
    def serve(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            connection.sendall(connection.recv(100).upper())
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as node, socket.create_server(("127.0.0.1", 0)) as other:
        for listener in (node, other):
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
        port = node.getsockname()[1]
        code = (
            "import socket\n"
            f"c = socket.create_connection(('127.0.0.1', {port})); c.sendall(b'hello'); print(c.recv(100))\n"
            f"try: socket.create_connection(('127.0.0.1', {other.getsockname()[1]}), timeout=2); print('in')\n"
            "except OSError: print('refused')\n"
        )
        assert said(bounds, code, port=port) == (0, "b'HELLO'\nrefused\n")
    for thread in threading.enumerate():  # the process that makes cages makes one for every message
        if thread.name == launch.WAY:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def warm(bounds: Bounds) -> Iterator[Path]:
    """A process whose forks enter cages."""
    process = WarmProcess(bounds.warm, launch.environment())
    process.libraries = ("json",)
    process.start()
    yield process.path
    process.stop()


STATUS = """
import os
lines = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
kinds = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
shown = {name: lines[name].strip() for name in lines if name.startswith("Cap") or name == "NoNewPrivs"}
names = ("Max data", "Max processes", "Max core")
print(shown, [line.split() for line in open("/proc/self/limits") if line.startswith(names)])
print([os.readlink(f"/proc/self/ns/{kind}") == os.readlink(f"/proc/1/ns/{kind}") for kind in kinds])
print(os.getcwd(), os.uname().nodename, sorted(os.environ), sorted(os.listdir("/proc/self/fd")))
"""


@needs_bubblewrap
def test_what_enters_a_cage_is_held_like_what_begins_in_it(bounds: Bounds, warm: Path) -> None:
    """No capability, the same limits, namespaces, environment and open files."""
    began, entered = said(bounds, STATUS), said(bounds, STATUS, warm=warm)
    assert entered[0] == began[0] == 0
    assert entered[1].replace("'PWD', ", "") == began[1].replace("'PWD', ", "")
    assert "'CapEff': '0000000000000000'" in entered[1]
    assert "'CapBnd': '0000000000000000'" in entered[1]
    assert "'NoNewPrivs': '1'" in entered[1]


@needs_bubblewrap
def test_what_has_entered_ends_with_its_cage_and_leaves_nothing_to_the_next(bounds: Bounds, warm: Path) -> None:
    code = (
        "import os, time\n"
        "print(os.path.exists('/tmp/left'), sum(name.isdigit() for name in os.listdir('/proc')), flush=True)\n"
        "open('/tmp/left', 'w').close()\n"
        "if os.fork() == 0: os.setsid(); time.sleep(60)"
    )
    assert [said(bounds, code, run=RUN, warm=warm) for _ in range(2)] == [(0, "False 3\n")] * 2
    code = f"from pathlib import Path; print([*Path({str(bounds.state)!r}, {OTHER!r}).iterdir()])"
    assert said(bounds, code, run=RUN, warm=warm) == (0, "[]\n")


@needs_bubblewrap
@pytest.mark.parametrize("entering", [False, True])
def test_an_app_that_takes_too_much_is_ended_and_its_children_with_it(
    bounds: Bounds, site: SiteConfig, capfd: pytest.CaptureFixture[str], warm: Path, entering: bool
) -> None:
    small = replace(bounds, memory=LITTLE, processes=FEW)
    code = (
        "import os, time\n"
        "for _ in range(8):\n"
        "  if os.fork() == 0: held = bytearray(b'1') * (100 << 20); time.sleep(60)\n"
        "time.sleep(60)"
    )
    assert launch.run_caged(small, [sys.executable, "-I", "-c", code], warm=warm if entering else None) == -9
    assert "bytes of memory, more than the" in capfd.readouterr().err
    assert "and was ended" in (site.state / "log.txt").read_text()


@needs_bubblewrap
def test_the_environment_holds_no_path_of_the_sites(bounds: Bounds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET", "s")
    monkeypatch.setenv("CAPE_FED_TEST_FAULT", "f")
    _, text = said(bounds, "import json, os; print(json.dumps(dict(os.environ)))")
    names = set(json.loads(text))
    assert not names & {"CAPE_FED_SALT_FILE", "AWS_SECRET", "SSH_AUTH_SOCK", "USER"}
    assert names >= {"CAPE_FED_TEST_FAULT", "PATH", "HOME", "FLWR_HOME"}


def test_bounds_survive_being_written_down(bounds: Bounds) -> None:
    assert Bounds.load(bounds.save()) == bounds
    assert bounds.run() == ""
    note_run(Path(bounds.runtime), RUN)
    assert bounds.run() == RUN
    assert [path.name for path in bounds.hidden(RUN)] == [OTHER, "refused"]
    assert [path.name for path in bounds.hidden("")] == [RUN, OTHER, "refused"]


def test_a_site_says_whether_it_wants_a_cage(site: SiteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtimes = [tmp_path / "runtimes" / str(number) for number in range(3)]
    for runtime in runtimes:
        runtime.mkdir(parents=True)
    assert setup.make_cage(site.model_copy(update={"cage": CageOptions(kind="none")}), runtimes[0]) is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert setup.make_cage(site, runtimes[1]) is None
    required = site.model_copy(update={"cage": CageOptions(kind="bubblewrap")})
    with pytest.raises(InputError, match="bubblewrap is not installed"):
        setup.make_cage(required, runtimes[2])
    assert [check_cage(Subject(one)).state for one in (site, required)] == ["warning", "failed"]


@needs_bubblewrap
def test_a_check_says_what_holds(site: SiteConfig, tmp_path: Path) -> None:
    found = check_cage(Subject(site))
    assert (found.state, "stores to read only" in found.said) == ("ok", True), found
    open_wide = site.model_copy(update={"state": tmp_path})
    found = check_cage(Subject(open_wide))
    assert found.state == "failed"
    assert f"read {tmp_path / 'salt'}" in found.said
