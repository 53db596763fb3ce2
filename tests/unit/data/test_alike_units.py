from speechmoe_espnet.data.alike_units import AlikeUnits


def test_units_of_one_syllable_sound_alike() -> None:
    known = ["静", "A", "精", "境", "好", "京"]
    alike = AlikeUnits(known)
    assert [known[place] for place in alike.places("镜")] == ["静", "境"]
    assert [known[place] for place in alike.places("井")] == ["静", "精", "境", "京"]
    for other in ("铁", "B", "é", "𠮷"):
        assert alike.places(other) == list(range(len(known)))


def test_syllables_and_phones() -> None:
    known = ["ma1", "ma4", "ba1", "AY"]
    alike = AlikeUnits(known)
    assert alike.places("ma3") == [0, 1]
    assert alike.places("ba1") == [2]
    assert alike.places("IY") == alike.places("lve4") == [0, 1, 2, 3]
