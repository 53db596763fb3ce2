"""Searches: greedy, prefix beam, WFST and ESPnet's joint search, behind one interface."""
