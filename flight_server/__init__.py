"""The Arrow Flight server: streams chunks by ticket, in a process of its own."""
