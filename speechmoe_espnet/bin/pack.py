"""Pack a trained model to share it: an ESPnet zip, and a folder for the Hugging Face Hub."""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE
from speechmoe_espnet.inference.experiment import load_model, read_experiment
from speechmoe_espnet.system import cli
from speechmoe_espnet.zoo.archive import write_zip
from speechmoe_espnet.zoo.compact import compact
from speechmoe_espnet.zoo.model_card import NOT_STATED, CardFacts, model_card
from speechmoe_espnet.zoo.packed_model import CARD, SEARCH_KEYS, PackedModel
from speechmoe_espnet.zoo.packed_results import read_results
from speechmoe_espnet.zoo.packing import Source, pack

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,95}")
_SYNTHETIC = (
    "Synthetic Mandarin speech that `speechmoe prepare_corpus --corpus synthetic` makes: voices "
    "of espeak-ng, simulated rooms and noise, sentences out of Python packages. No person spoke it."
)


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="pack",
        description="Pack a trained model with its statistics, the options of its features and a "
        "model card: OUTPUT_DIR/NAME.zip for espnet_model_zoo, and OUTPUT_DIR/NAME, a folder in "
        "the layout of the Hugging Face Hub. The packed model takes recordings.",
    )
    parser.add_argument(
        "--model_dir", type=Path, required=True, help="experiment directory with config.yaml"
    )
    parser.add_argument(
        "--model_file", default=DEFAULT_MODEL_FILE, help="checkpoint in --model_dir"
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    parser.add_argument("--name", help="name of the model (default: that of --model_dir)")
    parser.add_argument(
        "--fbank_config",
        type=Path,
        help="options of the features that it was trained on (default: fbank.yaml in --model_dir)",
    )
    parser.add_argument(
        "--decode_dirs",
        type=Path,
        nargs="*",
        default=[],
        help="scored decodings, for the table of results",
    )
    parser.add_argument("--graph_dir", type=Path, help="decoding graph to pack (make_graph)")
    parser.add_argument("--decode_config", type=Path, help="decode YAML of the graph's search")
    parser.add_argument("--tuning", type=Path, help="tuning.json of the graph's search (tune)")
    parser.add_argument("--corpus", help="corpus that it was trained on, as in recipes")
    parser.add_argument("--data", help="sentences about that corpus for the card")
    parser.add_argument(
        "--compact",
        action="store_true",
        help="write the zip alone, with int8 weights, and the n-gram of the graph in place of the "
        "graph: the model is made whole where it is loaded",
    )
    parser.add_argument(
        "--licence", default=NOT_STATED, help="licence of the model, such as Apache-2.0"
    )
    return parser


def pack_model(args: argparse.Namespace) -> None:
    """Pack, load what was packed, and write the zip.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A file of the experiment or of its search does not exist.
        ValueError: A name is not allowed, the features are not known, or a decoding has no score.
    """
    name = args.name or os.path.basename(os.path.realpath(args.model_dir))
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"--name: a name has up to 96 letters, digits and any of _.+- , got {name!r}"
        )
    folder, archive = args.output_dir / name, args.output_dir / f"{name}.zip"
    for path in (folder, archive):
        if path.exists():
            raise ValueError(f"--output_dir: {path} exists already; name another or remove it")
    read_experiment(args.model_dir, args.model_file)
    search = {key: getattr(args, key) for key in SEARCH_KEYS if getattr(args, key) is not None}
    source = Source(args.model_dir, args.model_file, args.fbank_config, search)
    results = read_results(args.decode_dirs)
    pack(source, folder)
    packed = PackedModel.load(folder)
    conf = read_experiment(packed.config.parent, packed.checkpoint.name)
    load_model(conf, packed.checkpoint)
    facts = CardFacts(name, args.licence, _data(args.corpus, args.data), Path.cwd().name)
    card = model_card(facts, conf, args.model_file, results, words="graph_dir" in search)
    (folder / CARD).write_text(card, encoding="utf-8")
    if args.compact:
        compact(folder)
    write_zip(folder, archive)
    if args.compact:
        shutil.rmtree(folder)
        print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB; made whole where it is loaded")
        return
    size = archive.stat().st_size / 1e6
    print(f"{archive}: {size:.1f} MB; {folder}: the same as a folder, with its card in {CARD}")


def _data(corpus: str | None, data: str | None) -> str:
    from speechmoe_espnet.corpora.public import PUBLIC_CORPORA

    if data:
        return data
    if corpus == "synthetic":
        return _SYNTHETIC
    if corpus in PUBLIC_CORPORA:
        return f"{corpus}: {PUBLIC_CORPORA[corpus].source}"
    return f"Corpus `{corpus}`; nothing else was stated." if corpus else "Not stated."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return cli.run(pack_model, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
