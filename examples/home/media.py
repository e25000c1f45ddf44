"""Writes the objects: into an S3 bucket with versioning, or into a folder that keeps old versions as such a bucket does."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from examples.home.families import Blob

TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp4": "video/mp4", "jpg": "image/jpeg"}


class MediaWriter(Protocol):
    """Where blobs go."""

    def write(self, blobs: Iterable[Blob]) -> None:
        """Write every version of every blob, oldest first; hide the hidden ones."""
        ...


class FolderWriter:
    """A folder; old versions lie in ``.versions/KEY/N``, N from 1, and an object that was deleted has only those."""

    def __init__(self, root: Path) -> None:
        """Make the folder."""
        self._root = root
        root.mkdir(parents=True)

    def write(self, blobs: Iterable[Blob]) -> None:
        """Write them; what is current is the last version."""
        for blob in blobs:
            old = blob.versions if blob.hidden else blob.versions[:-1]
            for number, make in enumerate(old, start=1):
                self._put(self._root / ".versions" / blob.key / str(number), make())
            if not blob.hidden:
                self._put(self._root / blob.key, blob.versions[-1]())

    def _put(self, path: Path, body: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


class BucketWriter:
    """An S3 bucket, made with versioning if it isn't there; a hidden object gets a delete marker."""

    def __init__(self, url: str, endpoint: str | None) -> None:
        """Connect, and make the bucket.

        Raises:
            ValueError: not an ``s3://`` URL.
        """
        if not url.startswith("s3://"):
            msg = "media goes to a folder (leave it out) or to s3://bucket"
            raise ValueError(msg)
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._client: Any = _client(endpoint)
        self._make()

    def write(self, blobs: Iterable[Blob]) -> None:
        """Write them, several at once; one key's versions stay in order."""
        # Eight is what hides a local server's latency; more only queue there.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._put, blobs))

    def _put(self, blob: Blob) -> None:
        key = self._prefix + blob.key
        for make in blob.versions:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=make(), ContentType=TYPES[key.rsplit(".", 1)[1]])
        if blob.hidden:
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _make(self) -> None:
        names = [bucket["Name"] for bucket in self._client.list_buckets().get("Buckets", [])]
        if self._bucket not in names:
            region = self._client.meta.region_name
            # AWS wants to be told the region, except the first it ever had, which it refuses to be told.
            place = {} if region in {None, "us-east-1"} else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            self._client.create_bucket(Bucket=self._bucket, **place)
        self._client.put_bucket_versioning(Bucket=self._bucket, VersioningConfiguration={"Status": "Enabled"})


def _client(endpoint: str | None) -> Any:
    import boto3  # noqa: PLC0415 - an estate in folders needs no S3 library

    return boto3.client("s3", endpoint_url=endpoint)
