"""What a drawing says."""

import xml.etree.ElementTree as ET


def words(drawing):
    return [node.text for node in ET.fromstring(drawing).iter("text")]
