"""The meaning of `.gc` programs: names, expressions, statements, functions and models."""
