"""Scores of vectors by 16-bit whole numbers, with a proven bound on their error, where a CPU multiplies these fast."""
