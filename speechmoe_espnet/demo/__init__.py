"""A page on one's own machine: speech in; text, times and the work of the experts out."""
