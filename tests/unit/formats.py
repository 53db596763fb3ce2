"""Every kind of file that the package reads: small valid ones, and what reads them.

`make` of a format writes valid files into a folder, `files` of them are damaged, `read` reads all.
A `make` that needs a package or program that is absent raises ImportError.
"""

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import kaldiio
import numpy as np
import onnx_ir as ir
import soundfile
import torch
import yaml
from fake_experiment import make_experiment, make_references
from tiny_graph import LEXICON, TOKENS, random_grammar

from speechmoe_espnet.bin.make_lexicon import _read_words
from speechmoe_espnet.bin.report import _seed_of
from speechmoe_espnet.bin.rescore import _add_seconds
from speechmoe_espnet.corpora.folder import read_folder
from speechmoe_espnet.corpora.synthetic.growing_dir import check_options
from speechmoe_espnet.corpora.synthetic.kokoro import STYLE_SIZE, _read_styles, _read_vocabulary
from speechmoe_espnet.corpora.synthetic.surroundings import _read_or_make
from speechmoe_espnet.data.audio_check import check_audio
from speechmoe_espnet.data.checksums import check_as_made
from speechmoe_espnet.data.dir_check import check_dir
from speechmoe_espnet.data.faults import FaultsError, read_left_out
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.feature_stats import SetFiles, collect_stats
from speechmoe_espnet.data.kaldi_dir import DataDir, read_segments, validate_data_dir
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.stats_file import check_stats
from speechmoe_espnet.data.table import read_scp, read_table
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.transcripts import prepare_transcripts
from speechmoe_espnet.data.unit_dir import make_units
from speechmoe_espnet.data.units import BpeTokenizer
from speechmoe_espnet.data.worker_options import read_cluster
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.decode.graph.directory import FILES, Graph, write_graph
from speechmoe_espnet.decode.graph.fst_arrays import FstArrays
from speechmoe_espnet.decode.graph.grammar_fst import read_grammar
from speechmoe_espnet.decode.nbest import read_nbest
from speechmoe_espnet.decode.rescoring import RescoringWeights
from speechmoe_espnet.decode.resources import Resources
from speechmoe_espnet.decode.tuning_file import read_tuning
from speechmoe_espnet.espnet.checkpoint_file import read_checkpoint, read_state
from speechmoe_espnet.espnet.data_files import entries, utterances
from speechmoe_espnet.espnet.data_sources import check_sources
from speechmoe_espnet.espnet.experiment_config import feature_options, load_config, sample_rate
from speechmoe_espnet.espnet.length_check import first_dimensions
from speechmoe_espnet.export.metadata import Metadata
from speechmoe_espnet.export.seal import KEY, UNSEALED, check_seal, sealed
from speechmoe_espnet.export.session import metadata_of, open_session
from speechmoe_espnet.grids.grid_file import read_grid
from speechmoe_espnet.grids.run_table import read_csv, read_json
from speechmoe_espnet.inference.utterances import list_audio, list_features
from speechmoe_espnet.lm.arpa import read_arpa, read_sentence_model, write_arpa
from speechmoe_espnet.lm.neural import NeuralLM
from speechmoe_espnet.lm.sentences import read_lines, read_sentences
from speechmoe_espnet.lm.vocabulary import Vocabulary
from speechmoe_espnet.pipeline.digests import changed_files, read_mark
from speechmoe_espnet.pipeline.lock import TargetLock, _has_ended, _words
from speechmoe_espnet.recipe.training_args import length_args
from speechmoe_espnet.results.decoding import Decoding
from speechmoe_espnet.results.trained_system import load_system
from speechmoe_espnet.scoring.mixed import read_mixed
from speechmoe_espnet.scoring.score_files import read_scores
from speechmoe_espnet.zoo.find_model import find_model
from speechmoe_espnet.zoo.packed_results import read_results

Step = Callable[[Path], object]
RATE = 16000
WORDS = "a-1 今天天气很好\na-2 我们 GO\n"
CONF = Path(__file__).parents[2] / "conf"


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        make: Writes valid files.
        read: Reads them.
        files: Those that are damaged.
        named: Name that errors give besides that of the damaged file, e.g. that of its folder.
    """

    make: Step
    read: Step
    files: tuple[str, ...]
    named: str = ""


def text(content: str, read: Step, name: str = "file", named: str = "") -> Format:
    """A format of one text file."""
    return Format(
        lambda folder: (folder / name).write_text(content, encoding="utf-8"),
        lambda folder: read(folder / name),
        (name,),
        named,
    )


def from_file(make: Step, read: Step, name: str = "file") -> Format:
    """A format of one file of bytes."""
    return Format(lambda folder: make(folder / name), lambda folder: read(folder / name), (name,))


def _sound() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, RATE // 5)


def _kaldi_dir(folder: Path, wav: str = "a.wav") -> None:
    tables = {
        "wav.scp": f"a {folder / wav}\n",
        "segments": "a-1 a 0 0.1\na-2 a 0.1 -1\n",
        "text": WORDS,
        "utt2spk": "a-1 a\na-2 a\n",
        "spk2utt": "a a-1 a-2\n",
        "utt2dur": "a-1 0.1\na-2 0.1\n",
        "utt2num_frames": "a-1 8\na-2 8\n",
    }
    for name, content in tables.items():
        (folder / name).write_text(content, encoding="utf-8")


def audio(name: str, **options: str) -> Format:
    """Audio in a data directory, decoded and validated."""

    def make(folder: Path) -> None:
        soundfile.write(folder / name, _sound(), RATE, **options)
        (folder / "wav.scp").write_text(f"a {folder / name}\n")

    return Format(make, _hear, (name,))


def container(name: str, kind: str, codec: str) -> Format:
    """Audio that PyAV reads."""

    def make(folder: Path) -> None:
        import av

        with av.open(str(folder / name), "w", format=kind) as file:
            stream = file.add_stream(codec, rate=RATE, layout="mono")
            samples = _sound().astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            for part in (frame, None):
                for packet in stream.encode(part):
                    file.mux(packet)
        (folder / "wav.scp").write_text(f"a {folder / name}\n")

    return Format(make, _hear, (name,))


def _hear(folder: Path) -> None:
    for utterance in list_audio(folder, RATE):
        utterance.load()


def features(**options: object) -> Format:
    """An archive of features."""

    def make(folder: Path) -> None:
        matrix = np.random.default_rng(0).normal(0, 1, (6, 4)).astype(np.float32)
        if options.get("double"):
            matrix = matrix.astype(np.float64)
        ark, scp = folder / "a.ark", folder / "feats.scp"
        more = {key: value for key, value in options.items() if key != "double"}
        kaldiio.save_ark(str(ark), {"a": matrix}, scp=str(scp), **more)
        (folder / "utt2num_frames").write_text("a 6\n")

    def read(folder: Path) -> None:
        for utterance in list_features(folder):
            utterance.load()

    return Format(make, read, ("a.ark", "feats.scp", "utt2num_frames"), "feats.scp")


def _stage_4(folder: Path) -> None:
    for name in ("train", "dev"):
        (folder / name).mkdir()
        matrix = np.random.default_rng(0).normal(0, 1, (6, 4)).astype(np.float32)
        ark, scp = folder / name / "a.ark", folder / name / "feats.scp"
        kaldiio.save_ark(str(ark), {"a": matrix}, scp=str(scp), compression_method=2)
        (folder / name / "text").write_text("a 今天\n", encoding="utf-8")
    TOKENS.write(folder / "tokens.txt")


def _collect(folder: Path) -> None:
    train, dev = (
        SetFiles(folder / name / "feats.scp", folder / name / "text") for name in ("train", "dev")
    )
    collect_stats(train, dev, folder / "tokens.txt", "char", folder / "stats")


def _stats(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, count=np.array(9), sum=np.ones(4), sum_square=np.ones(4))


def _config(folder: Path) -> None:
    conf = {
        "token_list": list(TOKENS.tokens),
        "token_type": "char",
        "input_size": 4,
        "frontend": None,
        "frontend_conf": {"fs": "16k"},
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": "stats/feats_stats.npz"},
        "seed": 1,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))
    (folder / "fbank.yaml").write_text("num_mel_bins: 4\ndither: 0.0\n")
    _stats(folder / "feats_stats.npz")


def _read_config(folder: Path) -> None:
    conf = load_config(folder / "config.yaml")
    feature_options(conf, folder)
    sample_rate(conf)


def _neural(folder: Path) -> None:
    from espnet2.lm.espnet_model import ESPnetLanguageModel
    from espnet2.lm.seq_rnn_lm import SequentialRNNLM

    options = {"unit": 2, "nlayers": 1}
    conf = {
        "lm": "seq_rnn",
        "lm_conf": options,
        "model": "lm",
        "model_conf": {},
        "init": None,
        "token_type": "char",
        "token_list": list(TOKENS.tokens),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))
    model = ESPnetLanguageModel(SequentialRNNLM(len(TOKENS), **options), len(TOKENS))
    torch.save(model.state_dict(), folder / "valid.loss.ave.pth")


def _graph(folder: Path) -> None:
    model = random_grammar(tuple(LEXICON), 2, np.random.default_rng(0))
    write_arpa(folder / "lm.arpa", model)
    built = build_graph(LEXICON, folder / "lm.arpa", TOKENS.tokens)
    lexicon = Lexicon({word: tuple(units) for word, units in LEXICON.items()})
    write_graph(folder, built, lexicon, TOKENS, folder / "lm.arpa")


def _built(folder: Path) -> None:
    build_graph(LEXICON, folder / "lm.arpa", TOKENS.tokens)


def _arpa(path: Path) -> None:
    write_arpa(path, random_grammar(("甲", "乙", "<unk>"), 3, np.random.default_rng(0)))


def _onnx(path: Path) -> None:
    value = ir.val("x", ir.DataType.FLOAT, [2])
    node = ir.node("Relu", [value])
    graph = ir.Graph([value], list(node.outputs), nodes=[node], opset_imports={"": 20}, name="g")
    model = ir.Model(graph, ir_version=10)
    names = ("units", "token_type", "fbank", "num_features", "sample_rate", "subsampling")
    props = dict.fromkeys((*names, "least_frames", "precision", "opset", "stats_sha256"), "1")
    props |= dict.fromkeys(("config_sha256", "model_sha256", "versions", "format"), "1")
    model.metadata_props.update({**props, "units": '["a"]', KEY: f'"{UNSEALED}"'})
    path.write_bytes(sealed(ir.to_proto(model).SerializeToString()))


def _read_sealed(path: Path) -> None:
    data = path.read_bytes()
    check_seal(data, path)


def _read_onnx(path: Path) -> None:
    session = open_session(path)
    Metadata.from_props(metadata_of(session, path), path)


def _packed(folder: Path) -> None:
    from speechmoe_espnet.zoo.packing import Source, pack

    (folder / "exp").mkdir()
    _config(folder / "exp")
    torch.save({"weight": torch.ones(2)}, folder / "exp/valid.loss.ave.pth")
    pack(Source(folder / "exp", "valid.loss.ave.pth"), folder / "mine")


def _zipped(folder: Path) -> None:
    from speechmoe_espnet.zoo.archive import write_zip

    _packed(folder)
    write_zip(folder / "mine", folder / "mine.zip")


def _bpe(path: Path) -> None:
    texts = ["今天天气很好", "我们一起去公园吧"]
    path.write_bytes(BpeTokenizer.train(texts, 20).model)


def _experiment(folder: Path) -> None:
    make_references(folder / "refs", ("set",), num_utts=2)
    decoding = {"method": "wfst", "lm_weight": 1.0, "insertion_bonus": 0.0, "tuned": {}}
    make_experiment(
        folder / "exp",
        folder / "refs",
        ("set",),
        error_rate=0.2,
        num_experts=2,
        num_layers=2,
        in_units=True,
        decoding=decoding,
    )
    rescoring = {**decoding, "nn_lm_weight": 0.3}
    (folder / "exp/decode_ctc_greedy/rescoring.json").write_text(json.dumps(rescoring))


def _outcome(folder: Path) -> None:
    decoded = folder / "exp/decode_ctc_greedy"
    load_system("mine", folder / "exp", "ctc_greedy", ("set",))
    read_mixed(decoded / "set/score")
    read_results([decoded])
    _seed_of(Namespace(directory=folder / "exp"))
    resources = Resources(1, 1, "CPU", "x")
    _add_seconds(decoded / "set/rtf.json", folder / "new.json", 1.0, resources)


_SET = "exp/decode_ctc_greedy/set"
_OUTCOME_FILES = (
    *("exp/config.yaml", "exp/train_stats.jsonl", f"{_SET}/routing.json"),
    *(f"{_SET}/{name}" for name in ("rtf.json", "routing_example.npz")),
    *(f"{_SET}/score/cer.json", f"{_SET}/score/utts.jsonl", f"{_SET}/score_ser/utts.jsonl"),
    *(f"exp/decode_ctc_greedy/{name}.json" for name in ("model", "decode", "rescoring")),
)


def _stage(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/a").write_text("a")
    mark = {"content": "x", "listing": "x", "commit": "y", "digest": "z", "inputs": {}}
    (folder / "out/.done.json").write_text(json.dumps(mark))
    (folder / "out/.files.json").write_text(json.dumps({"a": "x"}))
    owner = {"pid": 2**22, "started": 1, "group": 2**22, "host": "h", "boot": "b", "space": "s"}
    (folder / ".out.lock").write_text(json.dumps(owner))


def _marks(folder: Path) -> None:
    mark = read_mark(folder / "out/.done.json")
    if mark is not None:
        changed_files(folder / "out", mark)
    owner = read_mark(folder / ".out.lock") or {}
    _has_ended(owner)
    _words(owner)
    with TargetLock(folder / "out"):
        pass
    check_as_made(folder / "out/a")


def _grid(folder: Path) -> None:
    (folder / "egs/mix/asr1/grids").mkdir(parents=True)
    (folder / "train.yaml").write_text("max_epoch: 3\noptim_conf:\n  lr: 0.1\n")
    (folder / "decode.yaml").write_text("method: ctc_greedy\n")
    content = {
        "description": "d",
        "base": "train.yaml",
        "decode_config": "decode.yaml",
        "seeds": [1, 2],
        "sets": ["dev"],
        "options": {"preset": "tiny"},
        "systems": {"a": {"set": {"optim_conf.lr": 0.2}}, "b": {"axes": {"max_epoch": [1, 2]}}},
    }
    (folder / "egs/mix/asr1/grids/g.yaml").write_text(yaml.safe_dump(content))


def _kinds(folder: Path) -> None:
    sources = [(str(folder / "wav.scp"), "speech", "sound")]
    check_sources(
        Namespace(train_data_path_and_name_and_type=sources, valid_data_path_and_name_and_type=None)
    )


def _checked(folder: Path) -> None:
    checked = check_dir(folder)
    check_audio(checked, RATE)


def _kaldi_with_audio(folder: Path) -> None:
    _kaldi_dir(folder)
    soundfile.write(folder / "a.wav", _sound(), RATE)


def _units(folder: Path) -> None:
    (folder / "train").mkdir()
    (folder / "train/text").write_text(WORDS, encoding="utf-8")
    (folder / "old").mkdir()
    _bpe(folder / "old/bpe.model")
    pieces = BpeTokenizer.load(folder / "old/bpe.model").pieces
    TokenList.from_units(pieces).write(folder / "old/tokens.txt")


def _shapes(folder: Path) -> None:
    (folder / "shape").write_text("a 12,4\nb 3\n")
    (folder / "cut").mkdir()
    (folder / "cut/num_splits").write_text("2\n")
    (folder / "cut/split.1").write_text("a 12,4\n")
    (folder / "cut/split.2").write_text("b 12,4\n")


def _read_shapes(folder: Path) -> None:
    for name in ("shape", "cut"):
        entries(folder / name)
        utterances(folder / name)
        first_dimensions(str(folder / name))


def _left_out(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a/text").write_text("x 今\n", encoding="utf-8")
    (folder / "a/left_out").write_text("y no audio\n")


def _recordings(folder: Path) -> list[Path]:
    (folder / "b").mkdir()
    paths = [folder / f"{name}.wav" for name in ("a", "b/b", "b/c", *"defghij")]
    for path in paths:
        soundfile.write(path, _sound(), RATE)
    return paths


def _table_of_recordings(folder: Path) -> None:
    rows = [f'{path},"今天, 天气",s{place % 5}' for place, path in enumerate(_recordings(folder))]
    (folder / "train.csv").write_text("\n".join(["path,text,speaker", *rows]), encoding="utf-8")


def _pairs(folder: Path) -> None:
    for path in _recordings(folder):
        path.with_suffix(".txt").write_text("今天天气\n", encoding="utf-8")


def _read_folder(folder: Path) -> None:
    try:
        read_folder(folder, lambda line: None, skip_bad=False)
    except FaultsError as error:  # has a line for each fault
        raise ValueError(str(error).splitlines()[:2][-1]) from None


def _rows(path: Path) -> None:
    path.write_text('[\n{"run": "a", "seed": 1, "cer": 3.5, "x": null}\n]\n')


HOSTS = "{hosts: [a, b], worker_options: {x: 1}}"
CLUSTER = f"parallel:\n  env: ssh\n  n_workers: 1\n  options: {HOSTS}\n"
NBEST = {"utt": "a", "hyps": [{"text": "今天", "score": -1.5, "am_logp": -3, "lm_logp": -2}]}
TUNING = json.dumps({"lm_weight": 0.5, "insertion_bonus": 1, "nn_lm_weight": 0.3})
DECODE = "method: wfst\nbeam: 12.0\nmax_active: 2000\nlm_weight: 0.8\nblank_threshold: 0.9\n"
LEXICON_TEXT = "甲 a1\n丙 b2\n丙 c3\n甲丙 a1 b2\n"
TRAIN = "max_epoch: 30\nnum_iters_per_epoch: 5\nencoder_conf:\n  layers: [1, 2]\n"


def _gaussian(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, np.ones(3, np.float32))


FORMATS: dict[str, Format] = {
    "table": text(WORDS, read_table),
    "table of files": text("a /x/a.wav\nb /x/b.flac\n", read_scp),
    "segments": text("a-1 a 0 0.1\na-2 a 0.1 -1\n", read_segments),
    "lexicon": text(LEXICON_TEXT, Lexicon.load),
    "tokens": text("\n".join(TOKENS.tokens) + "\n", TokenList.load),
    "words": text("甲\n乙\n", Vocabulary.read),
    "words with counts": text("甲 3\n乙 1\n", _read_words),
    "sentences": text("今天 天气\n我们 GO\n", read_lines),
    "sentences in words": text("今天 天气\n我们 GO\n", lambda path: read_sentences([path], "char")),
    "transcripts": text(
        "a 今天<sil> 3.5% <|zh|>\nb 好{x}\n",
        lambda path: prepare_transcripts(path, read_table(path)),
    ),
    "arpa": from_file(_arpa, read_sentence_model, "lm.arpa"),
    "arpa.gz": from_file(_arpa, read_arpa, "lm.arpa.gz"),
    "arpa of a graph": Format(
        lambda folder: write_arpa(
            folder / "lm.arpa", random_grammar(tuple(LEXICON), 2, np.random.default_rng(0))
        ),
        _built,
        ("lm.arpa",),
    ),
    "grammar": Format(
        lambda folder: _arpa(folder / "lm.arpa"),
        lambda folder: read_grammar(folder / "lm.arpa", None, folder / "checked"),
        ("lm.arpa",),
    ),
    "fbank": text("num_mel_bins: 40\ndither: 0.0\nchannel: mean\n", FbankConfig.from_yaml),
    "decoding": text(DECODE, DecodeConfig.from_yaml),
    "training": text(TRAIN, lambda path: length_args(path, [], tiny=True)),
    "grid": Format(
        _grid,
        lambda folder: read_grid(folder / "egs/mix/asr1/grids/g.yaml"),
        ("egs/mix/asr1/grids/g.yaml", "train.yaml"),
        "g.yaml",
    ),
    "config": Format(_config, _read_config, ("config.yaml", "feats_stats.npz", "fbank.yaml")),
    "neural language model": Format(
        _neural, NeuralLM.from_experiment, ("config.yaml", "valid.loss.ave.pth"), "config.yaml"
    ),
    "tuning": text(TUNING, read_tuning),
    "weights of rescoring": text(TUNING, RescoringWeights.from_tuning),
    "n-best lists": text(json.dumps(NBEST) + "\n", partial(read_nbest, numbers=("score",))),
    "experiment": Format(_experiment, _outcome, _OUTCOME_FILES, "/set"),
    "scores": Format(
        _experiment, lambda folder: read_scores(folder / _SET / "score"), _OUTCOME_FILES[5:7]
    ),
    "search and weights": Format(
        _experiment,
        lambda folder: Decoding.load(folder / "exp/decode_ctc_greedy"),
        _OUTCOME_FILES[-2:],
    ),
    "runs as csv": text('run,seed,cer\na,1,3.5\n"b,c",2,\n', read_csv),
    "runs as json": from_file(_rows, read_json),
    "data directory": Format(
        _kaldi_with_audio,
        lambda folder: validate_data_dir(DataDir.load(folder).path),
        ("wav.scp", "segments", "text", "utt2spk", "spk2utt"),
        "case",
    ),
    "data directory, validated": Format(
        _kaldi_with_audio,
        _checked,
        ("wav.scp", "segments", "text", "utt2spk", "spk2utt", "utt2dur", "utt2num_frames", "a.wav"),
        "case",
    ),
    "data directory, decoded": Format(_kaldi_with_audio, _hear, ("wav.scp", "segments")),
    "data directory, trained on": Format(_kaldi_with_audio, _kinds, ("wav.scp",)),
    "cluster": text(CLUSTER, read_cluster),
    "table of recordings": Format(_table_of_recordings, _read_folder, ("train.csv",), "case"),
    "recordings with transcripts": Format(_pairs, _read_folder, ("b/b.txt", "a.txt"), "case"),
    "left out": Format(_left_out, read_left_out, ("a/text", "a/left_out")),
    "units": Format(
        _units,
        lambda folder: make_units(
            "bpe", folder / "train", (), folder / "new", token_list=folder / "old/tokens.txt"
        ),
        ("train/text", "old/tokens.txt", "old/bpe.model"),
        "train",
    ),
    "bpe": from_file(_bpe, BpeTokenizer.load),
    "features CM": features(compression_method=3),
    "features CM2": features(compression_method=2),
    "features CM3": features(compression_method=5),
    "features FM": features(),
    "features DM": features(double=True),
    "features as text": features(text=True),
    "features of stage 4": Format(
        _stage_4, _collect, ("train/a.ark", "train/feats.scp", "dev/text", "tokens.txt"), "a ("
    ),
    "shapes": Format(_shapes, _read_shapes, ("shape", "cut/num_splits", "cut/split.2"), "cut"),
    "statistics": from_file(_stats, check_stats, "feats_stats.npz"),
    "sums": from_file(lambda path: np.save(path, np.ones((2, 5))), check_stats, "sums.npy"),
    "wav": audio("a.wav", subtype="PCM_16"),
    "wav of floats": audio("a.wav", subtype="FLOAT"),
    "rf64": audio("a.wav", format="RF64"),
    "w64": audio("a.w64"),
    "aiff": audio("a.aiff"),
    "au": audio("a.au"),
    "caf": audio("a.caf"),
    "nist": audio("a.sph", format="NIST"),
    "flac": audio("a.flac"),
    "mp3": audio("a.mp3"),
    "ogg vorbis": audio("a.ogg", subtype="VORBIS"),
    "ogg opus": audio("a.opus", format="OGG", subtype="OPUS"),
    "mp4": container("a.m4a", "mp4", "aac"),
    "adts": container("a.aac", "adts", "aac"),
    "matroska": container("a.mka", "matroska", "flac"),
    "checkpoint": from_file(
        lambda path: torch.save({"a": torch.ones(3), "b": {"c": torch.ones(2)}}, path),
        read_checkpoint,
        "valid.loss.ave.pth",
    ),
    "parameters": from_file(lambda path: torch.save({"a": torch.ones(3)}, path), read_state),
    "packed folder": Format(
        _packed,
        lambda folder: find_model(folder / "mine"),
        ("mine/meta.yaml", "mine/exp/config.yaml"),
        "mine",
    ),
    "packed zip": Format(_zipped, lambda folder: find_model(folder / "mine.zip"), ("mine.zip",)),
    "onnx": from_file(_onnx, _read_onnx, "model.onnx"),
    "sealed onnx": from_file(_onnx, _read_sealed, "model.onnx"),
    "graph": Format(_graph, Graph.load, (*FILES, "SHA256SUMS"), ""),
    "fst": Format(_graph, lambda folder: FstArrays.read(folder / FILES[0]), FILES[:1]),
    "marks and locks": Format(
        _stage, _marks, ("out/.done.json", "out/.files.json", ".out.lock"), "out"
    ),
    "directory of speech": Format(
        lambda folder: check_options(folder, "--seed 1"),
        lambda folder: check_options(folder, "--seed 1"),
        ("options.txt",),
        "begun with other options",
    ),
    "rooms": from_file(_gaussian, lambda path: _read_or_make(path, lambda: np.ones(3))),
    "voices": from_file(
        lambda path: np.savez(path, a=np.ones((2, STYLE_SIZE), np.float32)), _read_styles, "v.npz"
    ),
    "voice": from_file(
        lambda path: np.ones((2, STYLE_SIZE), "<f4").tofile(path), _read_styles, "v.bin"
    ),
    "vocabulary of voices": text('{"vocab": {"a": 1, "b": 2}}', _read_vocabulary),
}
