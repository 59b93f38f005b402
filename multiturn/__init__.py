"""The engine that every retrieval system here runs on: galleries, sessions, transcripts, ranks and training."""
