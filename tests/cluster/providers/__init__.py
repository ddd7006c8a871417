"""The ways to get a cluster, one module each, behind api.Provider."""
