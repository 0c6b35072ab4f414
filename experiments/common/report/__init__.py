"""One page from any set of runs: what is collected, what is computed from it, what is drawn, and the page itself."""
