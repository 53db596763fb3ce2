"""Answers as HTML within the page, with the pieces, charts and colours of reports."""

from collections.abc import Sequence

from speechmoe_espnet.demo.hearing import Answer
from speechmoe_espnet.inference.transcript import TimedText
from speechmoe_espnet.inference.transcription import no_speech
from speechmoe_espnet.report.figure import inline_svg
from speechmoe_espnet.report.heat_maps import load_map
from speechmoe_espnet.report.labels import expert_colour
from speechmoe_espnet.report.pages import Chart, render
from speechmoe_espnet.report.palette import colours_within
from speechmoe_espnet.report.routing_chart import routing_chart

TEMPLATE = "answer.html.j2"
_MOST_EXPERTS = 32
"""Experts in the legend of colours."""


def answer_html(
    name: str, answers: Sequence[Answer], *, promised: float = 0.0, is_finished: bool = True
) -> str:
    """Show answers side by side.

    Args:
        name: Name of the recording.
        answers: One a system.
        promised: Seconds that the recording is said to have, 0 if it does not tell.
        is_finished: Whether nothing more is to come; until then there are no charts.
    """
    if is_finished and not any(answer.texts for answer in answers):
        return complaint_html(name, no_speech(answers[0].seconds))
    return render(
        TEMPLATE,
        name=name,
        complaint="",
        status="" if is_finished else _status(answers, promised),
        columns=[_column(answer, is_finished) for answer in answers],
        charts=[chart for answer in answers for chart in _charts(answer)] if is_finished else [],
        loads=[_load_chart(answer) for answer in answers if _has_experts(answer) and is_finished],
        experts=_legend(answers),
    )


def complaint_html(name: str, complaint: str) -> str:
    """Say why there is no answer, in one line.

    Args:
        name: Name of the recording.
        complaint: The reason.
    """
    return render(TEMPLATE, name=name, complaint=complaint, status="", columns=[])


def style() -> str:
    """Return the style sheet of answers, which touches nothing else of the page."""
    return colours_within(".speechmoe", ".dark .speechmoe") + render("answer.css.j2")


def _status(answers: Sequence[Answer], promised: float) -> str:
    now = max((answer for answer in answers if answer.seconds), key=answers.index)
    total = f" of about {_clock(promised)}" if promised >= now.seconds else ""
    return f"{now.title} has listened to {_clock(now.seconds)}{total}"


def _column(answer: Answer, is_finished: bool) -> dict[str, object]:
    speed = ""
    if answer.seconds and answer.took > 0:
        speed = f"{answer.took:.2f} s for {answer.seconds:.1f} s of sound"
    text = ""
    if len(answer.texts) > 1:
        text = " ".join(found.text for found in answer.texts)
    elif is_finished and not answer.texts:
        text = no_speech(answer.seconds)
    rows = [_row(found) for found in answer.texts]
    return {"title": answer.title, "text": text, "speed": speed, "rows": rows}


def _row(found: TimedText) -> tuple[str, str, str]:
    sure = "" if found.confidence is None else f"{found.confidence:.2f}"
    return f"{_clock(found.start)} – {_clock(found.end)}", found.text, sure


def _clock(seconds: float) -> str:
    minutes, tenths = divmod(round(10 * seconds), 600)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{tenths / 10:04.1f}"
    return f"{minutes}:{tenths / 10:04.1f}"


def _has_experts(answer: Answer) -> bool:
    return bool(answer.routing.layers)


def _charts(answer: Answer) -> list[Chart]:
    return [
        Chart(f"{answer.title}, {example.utt}", "", inline_svg(routing_chart(example)))
        for example in answer.examples
    ]


def _load_chart(answer: Answer) -> Chart:
    layers = answer.routing.summary()["layers"]
    figure = load_map(
        answer.title, [layer["load"] for layer in layers], [layer["confidence"] for layer in layers]
    )
    return Chart(answer.title, "", inline_svg(figure))


def _legend(answers: Sequence[Answer]) -> dict[str, str]:
    layers = [layer for answer in answers for layer in answer.routing.layers]
    count = max((len(layer.choices) for layer in layers), default=0)
    return {str(expert + 1): expert_colour(expert) for expert in range(min(count, _MOST_EXPERTS))}
