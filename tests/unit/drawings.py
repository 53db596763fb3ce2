"""What a chart says, in the order of its SVG."""

from xml.etree import ElementTree

from speechmoe_espnet.report.figure import inline_svg


def words(figure):
    """Texts that are seen."""
    return [node.text for node in ElementTree.fromstring(inline_svg(figure)).iter("text")]


def tooltips(figure):
    """Texts that a pointer shows."""
    return [node.text for node in ElementTree.fromstring(inline_svg(figure)).iter("title")]
