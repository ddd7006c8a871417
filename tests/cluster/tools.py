"""Programs that some tests and the demo use, built from Go modules when first asked for."""

from pathlib import Path

from tests.cluster.build import installed

PACKAGES = {
    "local-path-provisioner": "github.com/rancher/local-path-provisioner@v0.0.30",
    "kind": "sigs.k8s.io/kind@v0.30.0",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok@v0.7.0",
    "helm": "helm.sh/helm/v3/cmd/helm@v3.19.0",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0",
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    "fake-gcs-server": "github.com/fsouza/fake-gcs-server@v1.56.1",
}


def tool(name: str) -> Path:
    """The path of a static binary, from the cache or built now. KeyError names what there is."""
    if name not in PACKAGES:
        raise KeyError(f"{name} is not among {', '.join(sorted(PACKAGES))}")
    return installed(name, PACKAGES[name])
