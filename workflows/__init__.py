"""Temporal: one workflow a job, its activities and policies, and the loops beside them."""
