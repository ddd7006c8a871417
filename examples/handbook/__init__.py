"""A simulated card business, its features and a model of its frauds: what demo and tests score.

After Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection: Practical
Handbook"; docs/data.md tells what is the same as there and what is not.
"""
