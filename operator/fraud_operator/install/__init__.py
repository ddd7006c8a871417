"""What is installed before the operator runs: CRDs, its own objects, the Helm chart, their docs.

Everything here is made from the models and from `objects`; `generated` lists the files, and a test
holds the repository to them.
"""
