"""Studies with people, recorded or live: the systems that they search with, what they said, and what came of it."""
