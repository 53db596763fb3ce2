"""Numbers of written text: no digit is left, and each is read as it is said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.hanzi_numbers import hanzi_number
from speechmoe_espnet.data.spoken_numbers import speak_numbers

READ = {
    "人均消费75元": "人均消费七十五元",
    "我要12元的": "我要十二元的",
    "1998年7月1日": "一九九八年七月一日",
    "2个人走了2小时，第2天": "两个人走了两小时，第二天",
    "2月2号": "二月二号",
    "电话01056279088": "电话零一零五六二七九零八八",
    "工号007": "工号零零七",
    "B12和4K": "B一二和四K",
    "评分4.5分以上": "评分四点五分以上",
    "50-100元": "五十到一百元",
    "打了5折、3次": "打了五折、三次",
    "12500人": "一万二千五百人",
    "没有数": "没有数",
}


@pytest.mark.parametrize("written", READ)
def test_readings(written: str) -> None:
    assert speak_numbers(written) == READ[written]


@given(st.text("0123456789年个元月,.-:%/aB 天", max_size=20))
def test_no_digit_is_left(text: str) -> None:
    assert not re.search("[0-9]", speak_numbers(text))


@given(st.integers(3, 9_999_999), st.sampled_from("元号人"))
def test_quantities(value: int, unit: str) -> None:
    assert speak_numbers(f"共{value}{unit}") == f"共{hanzi_number(value)}{unit}"
