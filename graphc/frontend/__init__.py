"""The language: text to syntax tree, syntax tree to graph, and back to text."""
