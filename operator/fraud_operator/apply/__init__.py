"""Makes the cluster what a plan says: server-side apply, prune, status. Decides nothing else."""
