"""What people read of an evaluation: tables, curves, one HTML page; evaluation.py makes the numbers."""
