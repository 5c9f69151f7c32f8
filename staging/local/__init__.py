"""The embedded stack: every part on one machine, started, watched and stopped together."""
