"""Loaders that turn published data sets, and drawn ones, into typed Hugging Face `Dataset`s."""
