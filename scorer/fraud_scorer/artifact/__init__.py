"""Published models as data: what a version holds, where it lies, whether its bytes are right.

Both programs use this package, so it knows neither numpy nor scikit-learn nor the server.

    manifest.py   what one version holds
    plan.py       what a scorer pod is told to serve
    digest.py     sha256 and canonical JSON
    store.py      what a model store can do, and how it fails
    opening.py    from where a store is to the store
    s3.py         a store behind an S3 API
    gcs.py        a store in Google Cloud Storage
    directory.py  a store in a folder
    tree.py       files below a folder, whole or not at all, and none that lies elsewhere
    volume.py     a store on a volume, asked of the pod that mounts it
    publish.py    the order in which a version is written
"""
