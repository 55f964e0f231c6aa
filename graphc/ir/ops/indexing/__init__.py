"""Elements read and replaced at indices."""
