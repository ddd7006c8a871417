"""What a store's answer means, as one of the store's errors and in the same words for every kind
of store. What an SDK or a server calls it is for each store to know."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_scorer.artifact.store import (
    AccessDenied,
    AlreadyThere,
    BucketMissing,
    FileMissing,
    StoreUnreachable,
)


@dataclass(frozen=True, slots=True)
class Answers:
    """Those of one prefix of one store."""

    name: str
    """Of the prefix, with the slash at its end."""
    endpoint: str
    api: str
    """What should answer there, such as "an S3 API"."""
    unheard: str
    """What to ask oneself where nobody answers."""
    misled: str = ""
    """What to do where something else answers."""

    def what(self, path: str) -> str:
        """The whole name of a path, which may be whole already."""
        return path if path.startswith(self.name) else self.name + path

    def missing(self, path: str) -> FileMissing:
        """It was looked for, and is not there."""
        return FileMissing(f"{self.what(path)} does not exist", file=path)

    def taken(self, path: str) -> AlreadyThere:
        """It was to be new."""
        return AlreadyThere(f"{self.what(path)} exists already")

    def denied(self, action: str, said: str, advice: str) -> AccessDenied:
        """Whoever asks may not."""
        return AccessDenied(f"{self.name} refuses to {action} ({said}): {advice}")

    def no_bucket(self, bucket: str, advice: str, *, said: str = "") -> BucketMissing:
        """There is no such bucket."""
        code = f" ({said})" if said else ""
        return BucketMissing(f"there is no bucket {bucket!r} at {self.endpoint}{code}: {advice}")

    def trouble(self, action: str, path: str, said: str) -> StoreUnreachable:
        """The store's own; it is worth another try."""
        return StoreUnreachable(f"cannot {action} {self.what(path)}: {said}")

    def answered(self, action: str, path: str, said: str) -> StoreUnreachable:
        """The same, of an answer that means nothing else."""
        return self.trouble(action, path, f"the store answered {said}".rstrip())

    def cut_short(self, got: int, size: int, path: str) -> StoreUnreachable:
        """The answer ended before the file did."""
        return StoreUnreachable(
            f"{self.endpoint} gave {got} bytes of {size} of {path}: it is tried again"
        )

    def silent(self, error: Exception) -> StoreUnreachable:
        """Nobody answered."""
        return StoreUnreachable(f"{self.name} does not answer ({error}): {self.unheard}")

    def somebody_else(self) -> StoreUnreachable:
        """Something answered that is no store."""
        advice = f"; {self.misled}" if self.misled else ""
        return StoreUnreachable(
            f"{self.endpoint} is not {self.api}: something else answers there{advice}"
        )

    def untrusted(self, error: Exception) -> StoreUnreachable:
        """Nobody vouches for the endpoint's certificate."""
        return StoreUnreachable(
            f"the certificate of {self.endpoint} is not trusted ({error}): name its authority in"
            " caBundle (without a detector: in ca.crt beside the credentials)"
        )


def of_bucket(name: str, endpoint: str, api: str) -> Answers:
    """Those of a bucket that a spec names by its endpoint."""
    return Answers(
        name=name,
        endpoint=endpoint,
        api=api,
        unheard=f"is the endpoint {endpoint} right, and may traffic go there?",
        misled="correct the endpoint",
    )
