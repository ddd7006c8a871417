"""What runs in the peers' own environments: the least that each one's documentation asks for.

Every module is a program of its own and sees nothing of this repository. FOLDER holds
model.joblib and names.json, the names of the model's inputs in their order.
"""
