"""What runs on Ray: the extraction task, its dispatch, and the holders of snapshots."""
