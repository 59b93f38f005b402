"""Like and dislike feedback over any gallery: SVM, MLP, triplet re-embedding, Rocchio, PicHunter, and none."""
