"""The Open Inference Protocol, version 2 in JSON: clients of KServe and Triton work unchanged.

    messages      what comes in and goes out, as types
    binary        tensors behind the JSON instead of in it (the protocol's binary extension)
    tensors       tensors to the model's inputs, one row a transaction
    transactions  rows to the transactions that the pipeline takes
    outputs       answers to tensors
    routes        the paths

It is another form of the same question: each row goes through the pipeline like any transaction.
"""
