"""graphc: a static-graph tensor compiler."""
