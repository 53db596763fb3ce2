"""Four small Mandarin sets made on the spot, so that every recipe runs without a download.

Text comes out of installed packages, speech out of espeak-ng, rooms out of the image method.
The sets are a stand-in: they differ in text and acoustics as read, conversational, spontaneous
and command speech do, and they are not those corpora. See docs/explanation/corpora.md.
"""
