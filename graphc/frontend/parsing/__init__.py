"""From text to syntax trees: tokens, the grammar and its table, the messages of the parser."""
