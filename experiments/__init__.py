"""Scripts that make the figures, one a file; `common` holds what they share."""
