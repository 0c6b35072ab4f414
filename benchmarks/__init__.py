"""Speed, measured: one script a ratio, against a peer or a plain matrix product in the same run."""
