"""Symbols that are spoken: never silent beside a number, read as they are said."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.hanzi_numbers import hanzi_decimal
from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.spoken_symbols import speak_symbols
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.units import SyllablePhoneTokenizer

NUMBERS = st.integers(0, 99999).map(str)
DECIMALS = st.tuples(NUMBERS, st.integers(1, 99)).map(lambda parts: f"{parts[0]}.{parts[1]}")
AROUND = st.text("今天好A，。 ", max_size=3)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("增长3.5%", "增长百分之三点五"),
        ("增长３．５％", "增长百分之三点五"),
        ("35 %", "百分之三十五"),
        ("5-10%", "百分之五到十"),
        ("5%~10%", "百分之五到十"),
        ("-5%", "负百分之五"),
        ("3‰", "千分之三"),
        ("1:30到", "一点三十分到"),
        ("１：３０", "一点三十分"),
        ("12:00", "十二点"),
        ("8:05", "八点零五分"),
        ("12:05:09", "十二点零五分零九秒"),
        ("3:2领先", "三比二领先"),
        ("25:70", "二十五比七十"),
        ("零下-5度", "零下负五度"),
        ("−5", "负五"),
        ("-5℃", "负五摄氏度"),
        ("20~30°C", "二十到三十摄氏度"),
        ("90°F", "九十华氏度"),
        ("转30°", "转三十度"),
        ("¥35", "三十五元"),
        ("￥3.5万", "三点五万元"),
        ("$1,200", "一千二百美元"),
        ("HK$20", "二十港元"),
        ("€5", "五欧元"),
        ("2024-01-05", "二零二四年一月五日"),
        ("2024/1/5", "二零二四年一月五日"),
        ("2024.12.31", "二零二四年十二月三十一日"),
        ("2020-2024年", "二零二零到二零二四年"),
        ("1:30-2:30", "一点三十分到二点三十分"),
        ("9:00～12:05:09", "九点到十二点零五分零九秒"),
        ("2024/1/5-2024-01-08", "二零二四年一月五日到二零二四年一月八日"),
        ("5¥", "五元"),
        ("3-5万€", "三到五万欧元"),
        ("1.5$", "一点五美元"),
        ("3∶2", "三比二"),
        ("1 ∶ 30", "一比三十"),
        ("1∶30", "一点三十分"),
        ("5‐10", "五到十"),
        ("5 — 10", "五到十"),
        ("2020——2024年", "二零二零到二零二四年"),
        ("零下‐5度", "零下负五度"),
        ("٣٫٥", "三点五"),
        ("½小时", "二分之一小时"),
        ("1½", "一又二分之一"),
        ("3/4", "四分之三"),
        ("3-5天", "三到五天"),
        ("10~20", "十到二十"),
        ("1+1=2", "一加一等于二"),
        ("5-3=2", "五减三等于二"),
        ("3×4", "三乘四"),
        ("8÷2=4", "八除以二等于四"),
        ("5>3", "五大于三"),
        ("10²", "十的二次方"),
        ("5㎡", "5平方米"),
        ("C++", "C加加"),
        ("C#", "C井"),
        ("A+", "A加"),
        ("AT&T", "ATANDT"),
        ("你&我", "你和我"),
        ("@小明", "艾特小明"),
        ("a@b.com", "AATB点COM"),
        ("1.2.3", "一点二点三"),
        ("v2.0", "V二点零"),
        # Digits by themselves stay digits.
        ("打110", "打110"),
        ("1,200元", "1200元"),
        ("A股12", "A股12"),
        ("35", "35"),
    ],
)
def test_readings(text, normalized):
    assert normalize_text(text) == normalized
    assert "".join(segment(text)) == normalized


@given(AROUND, NUMBERS | DECIMALS, NUMBERS, st.sampled_from("%‰℃°+=×÷±≈"), AROUND)
def test_a_symbol_beside_a_number_is_never_silent(before, first, second, symbol, after):
    silent = normalize_text(f"{before}{first}{second}{after}")
    for text in (f"{first}{symbol}", f"{symbol}{second}", f"{first}{symbol}{second}"):
        assert normalize_text(before + text + after) != normalize_text(
            before + text.replace(symbol, "") + after
        )
    assert normalize_text(f"{before}{first}.5{after}") != normalize_text(f"{before}{first}5{after}")
    for prefix in "¥$€£-−":
        assert normalize_text(f"，{prefix}{first}{after}") != normalize_text(f"，{first}{after}")
    assert silent == normalize_text(silent)


@given(st.integers(0, 23), st.integers(0, 59), AROUND)
def test_times(hour, minute, after):
    spoken = normalize_text(f"{hour}:{minute:02d}{after}")
    assert spoken.startswith(f"{hanzi_decimal(str(hour))}点")
    assert spoken != normalize_text(f"{hour}{minute:02d}{after}")
    assert ("分" in spoken) == (minute > 0)


@given(st.text("0123456789.,:/-+=%‰°℃CF¥$&@#~×÷<>½¼²³^*()[] 今AB万", max_size=14))
def test_any_mixture_is_normalised_for_good(text):
    normalized = normalize_text(text)
    assert normalize_text(normalized) == normalized
    assert "".join(segment(text)) == normalized
    assert speak_symbols(normalized) == normalized


def test_units_say_the_symbols():
    units = SyllablePhoneTokenizer().text_to_units("3.5%")
    assert units == ["bai3", "fen1", "zhi1", "san1", "dian3", "wu3"]


@pytest.mark.parametrize("piece", ["1-", "1+", "1/", "1:", "1,", "- ", "1.", "¥", "1~"])
def test_time_is_linear_in_the_length(piece):
    def seconds(count):
        begun = time.process_time()
        speak_symbols(piece * count)
        return time.process_time() - begun

    # Quadratic time took minutes here.
    assert seconds(40_000) < 10
