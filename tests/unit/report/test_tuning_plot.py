from xml.etree import ElementTree

from speechmoe_espnet.report.tuning_plot import rate_map

SVG = "{http://www.w3.org/2000/svg}"


def cells(svg):
    rects = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return {title.text: rect for rect in rects if (title := rect.find(f"{SVG}title")) is not None}


def draw(num_columns=3):
    xs, ys = [0.5 * i for i in range(num_columns)], [-1.0, 0.0]
    rates = {(x, y): 10 + x + abs(y) for x in xs for y in ys}
    del rates[xs[1], -1.0]
    return rate_map("CER of <dev>", ("lm_weight", xs), ("insertion_bonus", ys), rates, (0.0, 0.0))


def test_one_cell_a_point_the_best_strongest_and_framed():
    drawn = cells(draw())
    assert set(drawn) == {
        "lm_weight 0, insertion_bonus 0: 10.00 %",
        "lm_weight 0.5, insertion_bonus 0: 10.50 %",
        "lm_weight 1, insertion_bonus 0: 11.00 %",
        "lm_weight 0, insertion_bonus -1: 11.00 %",
        "lm_weight 1, insertion_bonus -1: 12.00 %",
    }
    strengths = {name: float(rect.get("fill-opacity")) for name, rect in drawn.items()}
    best = "lm_weight 0, insertion_bonus 0: 10.00 %"
    assert strengths[best] == 1 == max(strengths.values())
    assert [name for name, rect in drawn.items() if rect.get("stroke")] == [best]


def test_it_is_a_file_with_its_own_colours():
    root = ElementTree.fromstring(draw())
    assert root.tag == f"{SVG}svg"
    assert "--heat:" in root.find(f"{SVG}style").text
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert {"CER of <dev>", "lm_weight", "insertion_bonus", "10.5"} <= set(words)


def test_wide_grids_lose_their_numbers_but_no_cell():
    svg = draw(num_columns=100)
    assert len(cells(svg)) == 199
    words = [item.text for item in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "10.5" not in words
    assert len(words) < 40
