"""Names of the directories of a recipe: a name says what its content depends on.

Two settings that people compare never share a directory; the names of the defaults are short.

| directory | besides the corpus it names |
|---|---|
| all of the synthetic corpus | `_PRESET` other than small, `_VOICES` other than espeak, |
| | `_seedN` other than 0 |
| all of a real corpus | `--corpus-name`; without one, another `--corpus-dir` is refused |
| dump, units, stats | `_fbank_DIGEST` of settings other than those of conf/fbank.yaml |
| units, stats | kind of units, number of bpe units, `_DIGEST` of a given list, |
| | `_more` if it is extended |
| n-gram, lexicon, graph | order, `_pruneX`, `_text_DIGEST` of the paths of more text |
| experiment without a name | configuration, units other than characters, starting point, seed |
| decoding | decode configuration, checkpoint, n-gram other than the default, |
| | `_graph_DIGEST` of a given graph, `_untuned` |

What is left goes by digest, under one name. An experiment that is trained anew, since `--asr-args`
or what a name of the user's stands for has changed, is kept as NAME.bak.N. Other sets to evaluate,
or another configuration for tuning, decode again. The report of an experiment is that of its last
decoding. DIGEST is the first 8 digits of a SHA-256.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from speechmoe_espnet.corpora.synthetic.presets import ESPEAK
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE
from speechmoe_espnet.recipe.recipe_options import BPE, CHAR, MAX_NAME, NAME, SYNTHETIC, Options

DEFAULT_PRESET = "small"
DEFAULT_VOICES = ESPEAK
DEFAULT_ORDER = 5
DEFAULT_LM_CONFIG = "train_lm_rnn"
_RESERVED = re.compile(r"log|stats_.*|lm_.*|start_.*")


@dataclass(frozen=True)
class Directories:
    """Directories relative to the recipe, and the names in them that messages use.

    Attributes:
        expname: Name of the experiment.
        logs: Logs of all stages but training.
        neural_lm: Neural language model of rescoring.
        tune_dir: n-best lists of dev and the weights chosen on them.
    """

    expname: str
    data: str
    dump: str
    units: str
    stats: str
    exp: str
    logs: str
    ngram: str
    lexicon: str
    graph: str
    neural_lm: str
    decode_dir: str
    rescored: str
    tune_dir: str


def corpus_name(
    corpus: str, preset: str, seed: int, name: str = "", voices: str = DEFAULT_VOICES
) -> str:
    """Return the name of a corpus' directories.

    Args:
        corpus: As in `--corpus`.
        preset: Size of the synthetic corpus; no other corpus has one.
        seed: Seed of the synthetic corpus; no other corpus has one.
        name: The name of a real corpus that the user gave.
        voices: Who speaks in the synthetic corpus.
    """
    if corpus != SYNTHETIC:
        return name or corpus
    size = "" if preset == DEFAULT_PRESET else f"_{preset}"
    who = "" if voices == DEFAULT_VOICES else f"_{voices}"
    return f"{corpus}{size}{who}" + (f"_seed{seed}" if seed else "")


def name_directories(
    options: Options,
    *,
    fbank: FbankConfig,
    default_fbank: FbankConfig,
    decoding: DecodeConfig | None,
    token_list: Iterable[bytes],
    lm_texts: Iterable[str],
    start: str = "",
    extended: bool = False,
    mixed: bool = False,
) -> Directories:
    """Return the directories of a run.

    Args:
        options: The run's options; `decode_config` and the other paths may be relative.
        fbank: Settings of its features.
        default_fbank: Those of conf/fbank.yaml.
        decoding: Its search; None where nothing is decoded.
        token_list: Content of the given list of units, and for bpe of its model; empty: none is
            given.
        lm_texts: Paths of more text for the language models.
        start: Name of the model that training starts from; "" for none.
        extended: Whether units of the corpus are added to the list.
        mixed: Whether its n-gram is mixed with that of the model that training starts from.

    Raises:
        ValueError: The experiment's name is not allowed.
    """
    corpus = name_of_corpus(options)
    features = "" if fbank == default_fbank else f"_fbank_{_digest(_bytes(fbank))}"
    kind = options.token_type + (str(options.nbpe) if options.token_type == BPE else "")
    given = list(token_list)
    if given:
        kind = f"{options.token_type}_{_digest(b'|'.join(given))}{'_more' if extended else ''}"
    units = f"{kind}{features}"
    texts = list(lm_texts)
    ngram = ngram_name(options.lm_order, options.lm_prune, texts)
    alone = "" if options.lm_transcripts else "_no_transcripts"
    ngram += alone
    ngram += f"_and_{start}" if mixed else ""
    level = "char" if decoding is not None and decoding.needs_ngram else "word"
    of_units = f"{units}{'_' if units != options.token_type else ''}{ngram}"
    expname = _expname(options, units, start)
    exp = f"exp/{corpus}/{expname}"
    searches = decoding is not None and (decoding.needs_graph or decoding.needs_ngram)
    name_decoding = partial(
        decoding_name,
        options.decode_config,
        inference_model=options.inference_model,
        ngram=ngram if searches and not options.graph_dir else "",
        graph=options.graph_dir,
    )
    decode = name_decoding()
    lm_name = Path(options.lm_config).stem
    rescored_by = "" if lm_name == DEFAULT_LM_CONFIG else f"_{lm_name}"
    return Directories(
        expname=expname,
        data=f"data/{corpus}",
        dump=f"dump/{corpus}{features}",
        units=f"units/{corpus}/{units}",
        stats=f"exp/{corpus}/stats_{units}",
        exp=exp,
        logs=f"exp/{corpus}/log",
        ngram=f"lang/{corpus}/ngram_{level}{ngram}",
        lexicon=f"lang/{corpus}/lexicon_{of_units}",
        graph=f"lang/{corpus}/graph_{of_units}",
        neural_lm=f"exp/{corpus}/lm_{lm_name}{_text_name(texts)}{alone}",
        decode_dir=f"{exp}/decode_{name_decoding(tune=options.tune, weights=options.tuning)}",
        rescored=f"{exp}/decode_{decode}_rescored{rescored_by}",
        tune_dir=f"{exp}/tune_{decode}",
    )


def name_of_corpus(options: Options) -> str:
    """Return the name of the directories of a run's corpus."""
    return corpus_name(
        options.corpus, options.preset, options.seed, options.corpus_name, options.voices
    )


def _expname(options: Options, units: str, start: str) -> str:
    name = options.expname
    if not name and options.model_dir:
        name = Path(options.model_dir).name
    elif not name:
        parts = [Path(options.asr_config).stem.removeprefix("train_")]
        if start:  # which decides on units and parameters
            parts += [start]
        else:
            parts += [units] if units != CHAR else []
            parts += [f"init_{_digest(options.init_param.encode())}"] if options.init_param else []
        # The name of the synthetic corpus has its seed already.
        parts += [f"seed{options.seed}"] if options.seed and options.corpus != SYNTHETIC else []
        name = "_".join(parts)
        if len(name) > MAX_NAME:
            name = f"{name[: MAX_NAME - 9]}_{_digest(name.encode())}"
    if not NAME.fullmatch(name):
        raise ValueError(
            f"--expname: a name has up to {MAX_NAME} letters, digits and any of _.+- , got '{name}'"
        )
    if _RESERVED.fullmatch(name) and not options.model_dir.endswith(f"/{name}"):
        corpus = name_of_corpus(options)
        raise ValueError(
            f"--expname {name}: exp/{corpus}/{name} is not for experiments; choose another name"
        )
    return name


def ngram_name(order: int = DEFAULT_ORDER, prune: str = "", texts: Iterable[str] = ()) -> str:
    """Return what the names of an n-gram, and of what is made of it, end in.

    Args:
        order: Its order.
        prune: The threshold of pruning, "" for the default.
        texts: Paths of more text.
    """
    pruned = f"_prune{prune}" if prune else ""
    return f"{order}{pruned}{_text_name(texts)}"


def _text_name(texts: Iterable[str]) -> str:
    paths = "\n".join(texts)
    return f"_text_{_digest(paths.encode())}" if paths else ""


def decoding_name(
    config: str,
    *,
    inference_model: str = DEFAULT_MODEL_FILE,
    ngram: str = "",
    graph: str = "",
    tune: bool = True,
    weights: str = "",
) -> str:
    """Return the name of a decoding, its directory without `decode_`.

    Args:
        config: Path of the decode configuration.
        inference_model: The checkpoint.
        ngram: Name of the n-gram that it searches with; "" for none.
        graph: Path of a given graph; "" for none.
        tune: Whether its weights were chosen on dev.
        weights: Path of given weights; "" for none.
    """
    name = Path(config).stem.removeprefix("decode_")
    if inference_model != DEFAULT_MODEL_FILE:
        name += f"_{inference_model.removesuffix('.pth').replace('/', '_')}"
    if graph:
        # A graph that lies with its configuration is named by that.
        name += "" if config.startswith(f"{graph}/") else f"_graph_{_digest(graph.encode())}"
    elif not ngram:
        return name
    else:
        name += "" if ngram == str(DEFAULT_ORDER) else f"_lm{ngram}"
    if weights:
        return f"{name}_weights_{_digest(weights.encode())}"
    return name if tune else f"{name}_untuned"


def _bytes(fbank: FbankConfig) -> bytes:
    settings = {
        name: value for name, value in dataclasses.asdict(fbank).items() if value is not None
    }
    return json.dumps(settings, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
