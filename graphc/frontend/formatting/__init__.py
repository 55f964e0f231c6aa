"""From syntax trees back to text, in one canonical layout."""
