"""`fraud-operator`: run the operator, and write what is needed to install it.

Exit status: 0 done; 1 something failed, or is not up to date; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from fraud_operator.runtime import settings, words
from fraud_operator.runtime.settings import SettingsError

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `fraud-operator`."""
    parser = argparse.ArgumentParser(prog="fraud-operator", description=(__doc__ or "").strip())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_crds(commands)
    _add_manifests(commands)
    _add_generate(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.do(arguments))
    except SettingsError as error:
        parser.error(str(error))
    except BrokenPipeError:  # `fraud-operator crds | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run",
        help="run the operator, in the cluster or against the current kubeconfig",
        description="Run the operator until SIGTERM. In brackets: the environment variable.",
    )
    settings.add_arguments(parser)
    parser.set_defaults(do=_run)


def _add_crds(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("crds", help="write the CustomResourceDefinitions")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="a file each in DIR (default: standard output)"
    )
    parser.set_defaults(do=_crds)


def _add_manifests(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "manifests",
        help="write everything that an installation takes, for kubectl apply",
        description="The objects of the Helm chart, without Helm: pipe them to kubectl apply"
        " --server-side -f -.",
    )
    add = parser.add_argument
    namespace, image = _read(words.namespace), _read(words.image)
    add("--namespace", type=namespace, default="fraudops-system", help="of the operator")
    add("--image", type=image, required=True, help="of the operator")
    add("--scorer-image", type=image, required=True, help="of scorer pods by default")
    for store in ("redis", "postgres"):
        add(
            f"--{store}-image",
            type=_read(words.repository),
            default=store,
            metavar="IMAGE",
            help=f"of managed {store.capitalize()}, without its tag (default: %(default)s)",
        )
    add(
        "--image-pull-policy",
        choices=["Always", "IfNotPresent", "Never"],
        default="IfNotPresent",
        help="of both images",
    )
    add("--replicas", type=_read(words.count(10)), default=2, help="of the operator")
    add(
        "--namespaces",
        type=_read(words.namespaces),
        default=(),
        metavar="NS,…",
        help="look after these only (default: all)",
    )
    add("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    parser.add_argument("--skip-crds", action="store_true", help="leave the CRDs out")
    parser.set_defaults(do=_manifests)


def _add_generate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "generate", help="write the generated files of the repository (for its developers)"
    )
    parser.add_argument(
        "--root", type=Path, default=Path(), help="of the repository (default: here)"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail where a file is not up to date"
    )
    parser.set_defaults(do=_generate)


def _read(parse: Callable[[str], T]) -> Callable[[str], T]:
    """As argparse wants it: with the message of what is wrong."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _run(arguments: argparse.Namespace) -> int:
    from fraud_operator.app import run  # kopf and aiohttp: not needed by the other commands

    return run(settings.from_arguments(arguments, os.environ))


def _crds(arguments: argparse.Namespace) -> int:
    from fraud_operator.install.generated import crds, write

    if arguments.output is None:
        sys.stdout.write("---\n".join(crds().values()))
        return 0
    try:
        written = write(arguments.output, crds())
    except OSError as error:
        print(f"cannot write to {arguments.output}: {error.strerror}", file=sys.stderr)
        return 1
    for name in written:
        print(f"wrote {arguments.output / name}")
    return 0


def _manifests(arguments: argparse.Namespace) -> int:
    from fraud_operator.api.crd import RESOURCES, crd
    from fraud_operator.install import objects
    from fraud_operator.install.documents import documents

    options = objects.Options(
        namespace=arguments.namespace,
        image=arguments.image,
        scorer_image=arguments.scorer_image,
        replicas=arguments.replicas,
        image_pull_policy=arguments.image_pull_policy,
        scorer_image_pull_policy=arguments.image_pull_policy,
        redis_image=arguments.redis_image,
        postgres_image=arguments.postgres_image,
        watched=",".join(arguments.namespaces),
        log_level=arguments.log_level,
    )
    crds = [] if arguments.skip_crds else [crd(resource) for resource in RESOURCES]
    sys.stdout.write(documents([objects.namespace(options), *crds, *objects.objects(options)]))
    return 0


def _generate(arguments: argparse.Namespace) -> int:
    from fraud_operator.install.generated import files, outdated, write

    if not (arguments.root / "pyproject.toml").is_file():
        print(f"{arguments.root.resolve()} is not the repository: give --root", file=sys.stderr)
        return 1
    if arguments.check:
        old = outdated(arguments.root)
        for path in old:
            print(f"{path} is not up to date: run `make generate`", file=sys.stderr)
        return 1 if old else 0
    for path in write(arguments.root, files()):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
