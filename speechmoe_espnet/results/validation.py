"""Schema check of `results.json`, for its writer and its readers."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from speechmoe_espnet.results.decoding import Decoding
from speechmoe_espnet.results.trained_system import MODEL_KEYS

COUNT_KEYS = ("cer", "num_utts", "num_chars", "sub", "del", "ins")
DECODING_KEYS = tuple(field.name for field in fields(Decoding))


def validate_results(results: Mapping[str, Any]) -> None:
    """Check a dictionary against the schema of `results.json`.

    Args:
        results: Contents of `results.json`, read or to be written.

    Raises:
        ValueError: A key is missing, a value has the wrong kind or range, sets differ between
            systems, or counts contradict the error rate; the message gives the place.
    """
    systems = _mapping(results, "systems", "")
    if not systems:
        raise ValueError("results: systems is empty")
    sets = list(_mapping(next(iter(systems.values())), "sets", "systems.*"))
    for name, system in systems.items():
        place = f"systems.{name}"
        for key in MODEL_KEYS:
            _number(system, key, place, above=0)
        for key in ("steps", "seconds_training", "rtf"):
            _number(system, key, place)
        if system.get("share_waiting") is not None:
            _number(system, "share_waiting", place)
        if list(_mapping(system, "sets", place)) != sets:
            raise ValueError(f"results: {place}.sets are {list(system['sets'])}, others {sets}")
        for set_name, counts in [*system["sets"].items(), ("total", system.get("total"))]:
            _check_counts(counts, f"{place}.{set_name}")
        if system.get("ser") is not None:
            _check_syllables(_mapping(system, "ser", place), sets, f"{place}.ser")
        if system.get("decoding") is not None:
            _check_decoding(_mapping(system, "decoding", place), f"{place}.decoding")
        _text(system, "commit", place)
        _mapping(system, "curves", place)
        _mapping(system, "expert_load", place)
    changes = _mapping(results, "relative_change", "")
    if changes and list(changes) != sets:
        raise ValueError(f"results: relative_change has {list(changes)}, the systems have {sets}")
    if changes:
        changes = {**changes, "total": _mapping(results, "relative_change_total", "")}
    for set_name, interval in changes.items():
        place = f"relative_change.{set_name}"
        low, _, high = (
            _number(interval, key, place, above=-math.inf) for key in ("low", "mean", "high")
        )
        if low > high:
            raise ValueError(f"results: {place}: low {low} is above high {high}")
    _number(results, "seed", "")
    if results.get("seconds_total", 0) is not None:
        _number(results, "seconds_total", "")
    _mapping(results, "versions", "")
    _text(results, "commit", "")


def _mapping(parent: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if not isinstance(value, Mapping):
        raise ValueError(f"results: {_join(place, key)} must be an object, got {value!r}")
    return value


def _text(parent: Mapping[str, Any], key: str, place: str) -> None:
    if not isinstance(parent.get(key), str):
        raise ValueError(f"results: {_join(place, key)} must be text, got {parent.get(key)!r}")


def _number(parent: Mapping[str, Any], key: str, place: str, above: float = -1e-9) -> float:
    value = parent.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"results: {_join(place, key)} must be a finite number, got {value!r}")
    if value <= above:
        raise ValueError(f"results: {_join(place, key)} is too small: {value!r}")
    return float(value)


def _check_counts(counts: object, place: str) -> None:
    if not isinstance(counts, Mapping) or set(counts) != set(COUNT_KEYS):
        raise ValueError(f"results: {place} must have the keys {COUNT_KEYS}, got {counts!r}")
    _number(counts, "num_utts", place, above=0)
    num_chars = _number(counts, "num_chars", place, above=0)
    errors = sum(_number(counts, key, place) for key in ("sub", "del", "ins"))
    cer = _number(counts, "cer", place)
    if not math.isclose(cer, 100.0 * errors / num_chars, abs_tol=1e-6):
        raise ValueError(f"results: {place}.cer is {cer}, its counts give {errors / num_chars:%}")


def _check_syllables(by_set: Mapping[str, Any], sets: list[str], place: str) -> None:
    if list(by_set) != [*sets, "total"]:
        raise ValueError(f"results: {place} has {list(by_set)}, expected {[*sets, 'total']}")
    for set_name, counts in by_set.items():
        _check_counts(counts, f"{place}.{set_name}")
    for key in ("num_utts", "num_chars", "sub", "del", "ins"):
        summed = sum(by_set[set_name][key] for set_name in sets)
        if by_set["total"][key] != summed:
            raise ValueError(
                f"results: {place}.total.{key} is {by_set['total'][key]}, its sets have {summed}"
            )


def _check_decoding(decoding: Mapping[str, Any], place: str) -> None:
    if set(decoding) != set(DECODING_KEYS):
        raise ValueError(f"results: {place} must have the keys {DECODING_KEYS}, got {decoding!r}")
    _text(decoding, "method", place)
    for key in ("lm_weight", "insertion_bonus", "nn_lm_weight"):
        if decoding[key] is not None:
            _number(decoding, key, place, above=-math.inf)
    given = [key for key in ("lm_weight", "insertion_bonus", "origin") if decoding[key] is not None]
    if len(given) not in (0, 3):
        raise ValueError(
            f"results: {place}: lm_weight, insertion_bonus and origin belong together, got "
            f"{decoding!r}"
        )


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
