"""The hidden state of one batch is handed on to the next, although they have nothing in common.

Checks: a recurrent module is given exactly the state with which its last call ended, and batches
come shuffled; or the script ends because a graph is walked backward twice.

Why: state belongs to the sequence it came from. Between shuffled batches it is noise; without
``detach`` the graph of all earlier batches is walked again.

Evidence: exact. Alarms when batches are shuffled by the loader's sampler, or the run does badly.
For batches in order it is a note: language models carry the state on purpose (truncated
back-propagation through time).

Wrong when: the sampler is random over independent streams that each stay in place.

Cure: start every batch from zero, or detach and keep the order.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, at, found, number


def judge(facts: Facts) -> Answer:
    """Look for recurrent modules that are given their last state."""
    message = facts.end.get("message", "")
    if "backward through the graph a second time" in message and any(
        module["recurrent"] for module in facts.modules.values()
    ):
        return [
            found(
                "carried-state",
                "the state carried over still holds the graph of the batch before",
                number("the script ended with", message[:100]),
                where=Where(file=facts.end.get("file"), line=facts.end.get("line")),
                step=facts.steps,
                cures=[("cut the state from its past", "state = state.detach()")],
            )
        ]
    carried = [
        (event, call) for event in facts.forwards for call in event["calls"] if call.get("carried")
    ]
    if len(carried) < 3:
        return []
    shuffled = any(e["sampler"] == "RandomSampler" for e in facts.loaders)
    random = shuffled or bool(outcome(facts).bad)
    event, call = carried[0]
    return [
        found(
            "carried-state",
            "the hidden state of one batch is used for the next"
            + (", and batches are shuffled" if shuffled else ""),
            number("passes that begin with the last state", len(carried), 0, 0),
            number("order of the samples", "random" if shuffled else "not known"),
            level="alarm" if random else "note",
            where=at(event, module=call["name"]),
            step=event["step"],
            cures=[("begin each batch at zero", "output, state = rnn(x)")],
        )
    ]


RULE = Rule("carried-state", judge, needs=("forward",))
