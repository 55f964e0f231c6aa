"""What can be said of a kernel without a target: its text, its invariants, and what it computes."""
