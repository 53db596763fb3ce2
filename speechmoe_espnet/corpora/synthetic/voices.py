"""Speakers: an espeak-ng voice variant with a pitch, a pitch range and a speaking rate.

Variants are divided among train, dev and eval, so evaluation speakers have a timbre that does not
occur in training, in any style. Variants that whisper, croak, clip, sound robotic, ignore the rate,
or are not reproducible (`Reed`) are left out.
"""

from dataclasses import dataclass

from speechmoe_espnet.corpora.synthetic.randomness import rng_for

VARIANTS = {
    "train": (
        *("f1", "f2", "f4", "linda", "Alicia", "grandma", "shelby", "steph", "steph2"),
        *("m1", "m4", "m5", "m6", "m8", "Denis", "Diogo", "Gene", "Gene2", "Henrique"),
        *("Michael", "Mike", "Nguyen", "RicishayMax", "Tweaky", "adam", "benjamin"),
        *("boris", "david", "ed", "edward", "edward2", "gustave", "ian", "iven2"),
        *("iven3", "iven4", "john", "kaukovalta", "klatt3", "klatt4", "klatt5", "klatt6"),
        *("marcelo", "max", "miguel", "mike2", "norbert", "quincy", "rob", "sandro", "travis"),
    ),
    "dev": ("f5", "aunty", "m2", "paul", "Hugo", "Alex"),
    "eval": (
        *("f3", "belinda", "Annie"),
        *("m3", "m7", "Andy", "Mario", "robert", "victor", "pablo", "Lee", "michel"),
    ),
}

RATES = {"read": (185, 215), "chat": (215, 255), "spon": (190, 250), "aishell2": (190, 225)}


@dataclass(frozen=True)
class Speaker:
    """A speaker.

    Attributes:
        name: Speaker id; a prefix of the ids of the speaker's utterances.
        variant: espeak-ng voice variant.
        pitch: espeak-ng's pitch, 0 to 99 (50 is the default of the variant).
        pitch_range: espeak-ng's pitch range, 0 to 99.
        rate: espeak-ng's words per minute.
    """

    name: str
    variant: str
    pitch: int
    pitch_range: int
    rate: int


def make_speakers(style: str, partition: str, count: int, seed: int) -> tuple[Speaker, ...]:
    """Draw the speakers of one style and partition.

    The first speakers have different variants; further speakers reuse variants with another pitch
    and rate. Speaker i does not depend on `count`.

    Args:
        style: One of the four styles.
        partition: `train`, `dev` or `eval`.
        count: Number of speakers.
        seed: The user's seed.
    """
    variants = VARIANTS[partition]
    order = rng_for(seed, style, partition, "variants").permutation(len(variants))
    slowest, fastest = RATES[style]
    speakers = []
    for index in range(count):
        rng = rng_for(seed, style, partition, index, "speaker")
        speakers.append(
            Speaker(
                name=f"{style}_{partition}{index:03d}",
                variant=variants[order[index % len(variants)]],
                pitch=int(rng.integers(30, 75)),
                pitch_range=int(rng.integers(40, 65)),
                rate=int(rng.integers(slowest, fastest + 1)),
            )
        )
    return tuple(speakers)
