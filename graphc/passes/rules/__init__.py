"""The rules of simplification, by family. Every rule holds bit for bit."""
