"""The corruption drill: everything that can go wrong with a model, under constant load."""
