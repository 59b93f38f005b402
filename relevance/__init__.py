"""Like and dislike feedback over any gallery; the methods are not there yet."""
