"""Four small synthetic Mandarin sets, so that every recipe runs without a download.

Text comes from installed packages, speech from espeak-ng, rooms from the image method. The sets
differ in text and acoustics like read, conversational, spontaneous and command speech. They are a
stand-in for real corpora and do not replace them. See docs/explanation/corpora.md.
"""
