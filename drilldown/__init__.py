"""Multi-state-vector text retrieval on region captions (Drill-down); the methods are not there yet."""
