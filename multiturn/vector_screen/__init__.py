"""Scores of vectors in int8 or int16, with a proven bound on their error, where a CPU multiplies these fast."""
