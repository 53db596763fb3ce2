"""The model card: what a packed model is, where it comes from, what it does, how to load it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from speechmoe_espnet.data.fbank_config import FRONTEND
from speechmoe_espnet.espnet.experiment_config import sample_rate
from speechmoe_espnet.zoo.packed_model import CHECKPOINT_KEY, CONFIG_KEY, EXP
from speechmoe_espnet.zoo.packed_results import Results

NOT_STATED = "not stated"
_UNITS = {"char": "characters", "bpe": "SentencePiece pieces", "word": "syllables and phones"}


@dataclass(frozen=True)
class CardFacts:
    """What a card says and no file of the model does.

    Attributes:
        name: Name of the model.
        licence: SPDX identifier or name of its licence.
        data: Sentences about the speech that it was trained on.
        folder_of_commands: Where the commands of the results ran.
    """

    name: str
    licence: str
    data: str
    folder_of_commands: str


def model_card(
    facts: CardFacts, conf: Mapping[str, Any], checkpoint: str, results: Results, *, words: bool
) -> str:
    """Write a card.

    Args:
        facts: What no file says.
        conf: Configuration of the packed model.
        checkpoint: Name of the checkpoint.
        results: Error rates.
        words: Whether the model has a graph, so that it writes words.

    Returns:
        Markdown with the header that the Hugging Face Hub reads.
    """
    head = {
        "language": "zh",
        "license": "other" if facts.licence == NOT_STATED else facts.licence.lower(),
        "library_name": "espnet",
        "pipeline_tag": "automatic-speech-recognition",
        "tags": ["espnet", "audio", "automatic-speech-recognition", "mixture-of-experts"],
    }
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {facts.name}",
        _what(conf, results, words=words),
        f"## Data\n\n{facts.data}",
        f"## Licence\n\n{facts.licence}",
        _results(results, facts.folder_of_commands),
        _how_to_load(facts.name, conf, checkpoint),
    ]
    return "\n\n".join(parts) + "\n"


def _what(conf: Mapping[str, Any], results: Results, *, words: bool) -> str:
    tokens, kind = len(conf["token_list"]), str(conf["token_type"])
    rows = [
        ("encoder", f"`{conf['encoder']}`"),
        ("decoder", f"`{conf['decoder']}`" if conf.get("decoder") else "none: CTC"),
        ("input", f"recordings at {sample_rate(conf)} Hz, one channel"),
        ("features", f"`frontend: {conf.get('frontend')}`"),
        ("output", f"{tokens} tokens: {_UNITS.get(kind, kind)}"),
    ]
    experts = ((conf.get("encoder_conf") or {}).get("moe_conf") or {}).get("num_experts")
    if experts:
        rows.insert(1, ("experts in a layer", str(experts)))
    if results.params:
        total, active = (f"{number / 1e6:.2f} M" for number in results.params)
        rows.append(("parameters", f"{total}, of which a frame uses {active}"))
    if words:
        rows.append(("search", "decoding graph inside: the model writes words"))
    if conf.get("frontend") == FRONTEND:
        options = ", ".join(f"{key} {value}" for key, value in conf["frontend_conf"].items())
        rows.append(("options of the features", options))
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(
        [
            "Mandarin speech recognition with ESPnet2, trained by `speechmoe_espnet`: encoders in "
            "which each frame uses a few of many experts (SpeechMoE, arXiv 2105.03036).",
            "",
            "| | |",
            "| --- | --- |",
            *lines,
        ]
    )


def _results(results: Results, folder: str) -> str:
    if not results.rates:
        return "## Results\n\nNone were given when the model was packed."
    lines = [
        "## Results",
        "",
        "| decoding | set | utterances | rate | % |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {item.decoding} | {item.set_name} | {item.num_utts} | {item.metric} | "
        f"{item.percent:.2f} |"
        for item in results.rates
    ]
    lines += ["", "Lower is better. CER: character error rate, SER: syllable error rate."]
    lines += [f"\n`{name}`: {words}." for name, words in results.searches]
    if results.commits:
        lines += ["", f"Commit: {', '.join(results.commits)}."]
    if results.commands:
        lines += ["", f"Commands, run in {folder}:", ""]
        lines += [f"    {command}" for command in results.commands]
    else:
        lines += ["", "The commands were not recorded."]
    return "\n".join(lines)


def _how_to_load(name: str, conf: Mapping[str, Any], checkpoint: str) -> str:
    alone = "" if conf.get("decoder") else ", ctc_weight=1.0"
    return f"""## How to load

With `speechmoe_espnet`, from this folder, from `{name}.zip` or by the name of this page:

    from speechmoe_espnet import Speech2Text

    speech2text = Speech2Text.from_pretrained("{name}.zip")
    text, tokens, token_ids, hypothesis = speech2text("utterance.wav")[0]

With ESPnet's own class, which needs `speechmoe_espnet` to be imported first:

    import speechmoe_espnet
    from espnet2.bin.asr_inference import Speech2Text
    from espnet_model_zoo.downloader import ModelDownloader

    found = ModelDownloader("models").unpack_local_file("{name}.zip")
    speech2text = Speech2Text(**found{alone})  # {CONFIG_KEY} and {CHECKPOINT_KEY}

`{EXP}/{checkpoint}` holds the parameters and nothing else; no file here is a program."""
