"""Orders, searches in sorted data, and sets."""
