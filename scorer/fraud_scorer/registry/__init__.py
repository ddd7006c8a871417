"""The models that this process holds: fetched by digest, proven, and switched without a pause."""
