"""The page's sentences."""

from __future__ import annotations

from cape_fed.monitoring.run import Run
from cape_fed.monitoring.words import bytes_text, seconds_text

PARTS = {
    "wait": "until enough sites were there",
    "sites": "sites trained, measured and sent; the coordinator waited",
    "combine": "replies were checked and combined",
    "evaluate": "the encoder was evaluated at the sites",
    "save": "the checkpoint was written",
}
"""What each part of a round is."""
STATES = {
    "joining": "The run waits for its sites",
    "running": "The run goes on",
    "finished": "The run is finished",
    "stopped": "The run was stopped",
    "failed": "The run failed",
    "lost": "The run is lost: the process that led it is gone",
}


def headline(run: Run) -> list[str]:
    """What happened, in a few sentences; the first says how it ended."""
    reason = run.status.get("error") or (run.status.get("reason") if run.state != "finished" else "")
    first = f"{STATES[run.state]} after {run.done} of {run.planned or '?'} rounds" + (f": {reason}" if reason else "")
    return [first.rstrip(".") + ".", *filter(None, [_loss(run), _sites(run), _moved(run)])]


def _loss(run: Run) -> str:
    losses = [line["loss"] for line in run.rounds if line.get("loss") is not None]
    if not losses:
        return ""
    if len(losses) == 1:
        return f"The loss of its only round is {losses[0]:.3f}."
    return f"The mean loss went from {losses[0]:.3f} to {losses[-1]:.3f}."


def _sites(run: Run) -> str:
    trainers = [name for name, role in run.roles.items() if role == "train"]
    if not trainers or not run.rounds:
        return ""
    always = [name for name in trainers if all(name in line["sites"] for line in run.rounds)]
    if len(always) == len(trainers):
        return f"All {len(trainers)} training sites took part in every round." if len(trainers) > 1 else ""
    others = sorted(set(trainers) - set(always))
    named = ", ".join(others[:5]) + (" and others" if len(others) > 5 else "")
    return f"{len(always)} of {len(trainers)} training sites took part in every round; not in all of them: {named}."


def _moved(run: Run) -> str:
    if not run.rounds:
        return ""
    total = sum(line["bytes_down"] + line["bytes_up"] for line in run.rounds)
    return f"The rounds took {seconds_text(sum(line['seconds'] for line in run.rounds))} and moved {bytes_text(total)}."
