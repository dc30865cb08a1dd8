"""Several processes for one file: each segments its share, and one puts the results in order."""
