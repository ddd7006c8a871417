"""Published models as data: what a version holds, where it lies, whether its bytes are right.

Both programs use this package, so it knows neither numpy nor scikit-learn nor the server.

    manifest.py   what one version holds
    plan.py       what a scorer pod is told to serve
    digest.py     sha256 and canonical JSON
    store.py      what a model store can do, and how it fails
    s3.py         a store behind an S3 API
    directory.py  a store in a folder
    publish.py    the order in which a version is written
"""
