"""Where files lie: this machine's disks, or an S3 store that a URI names.

Hadoop, Arrow and `deltalake` each reach S3 in a way of their own. All three are told what the environment says, by the
names that every client of AWS reads: AWS_ENDPOINT_URL, AWS_REGION and the credentials. See docs/guides/clusters.md.
"""

import os
import re
from collections.abc import Collection
from functools import cache

from pyarrow import NativeFile, fs

from jobs.runtime.console import scrubbed

# What a cluster's Spark sets itself is not set here; a store of one's own is asked by its path, not by a host a bucket.
_OWN_STORE = {"spark.hadoop.fs.s3a.path.style.access": "true"}
_AT_ONCE = 8
# Where a client of AWS asks for a machine's role when the environment gives it no credentials.
_ROLES = r"latest/(?:api/token|meta-data)|169\.254\.\d+\.\d+"


def named(path: str) -> str:
    """A path or URI as everything here names it: S3 by the name of Hadoop's connector."""
    return f"s3a://{path.removeprefix('s3://')}" if path.startswith("s3://") else path


def on_s3(path: str) -> bool:
    """Does a path lie on S3?"""
    return named(path).startswith("s3a://")


def at_once(*paths: str) -> int:
    """How many files to read or write at a time: a store answers late and many at once, a disk one after the other."""
    return _AT_ONCE if any(map(on_s3, paths)) else 1


def endpoint() -> str | None:
    """The address of an S3 store that is not AWS's own."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def region() -> str | None:
    """AWS's region."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None


def delta_options(path: str) -> dict[str, str] | None:
    """What `deltalake` is to know of a path's store: on S3 an entry of a log is written only where none is yet."""
    if not on_s3(path):
        return None
    return {"aws_conditional_put": "etag", **({"aws_allow_http": "true"} if plain_http() else {})}


def plain_http() -> bool:
    """Does the store speak plain HTTP?"""
    return (endpoint() or "").startswith("http://")


def spark_settings() -> dict[str, str]:
    """What Hadoop is to know of S3, beside what Spark takes from the environment by itself."""
    address, where = endpoint(), region()
    own = {**_OWN_STORE, "spark.hadoop.fs.s3a.endpoint": address} if address else {}
    return {**own, **({"spark.hadoop.fs.s3a.endpoint.region": where} if where else {})}


def refusal(error: Exception) -> str:
    """Why a store did not do what it was asked, from the pages that its clients tell: a few words."""
    text = re.sub(r"\x1b\[\d+m", "", str(error)).strip()
    if code := re.search(r"<Code>(\w+)</Code>|AWS Error (\w+)", text):
        return code[1] or code[2]
    if re.search(_ROLES, text):
        return "no credentials: neither the environment (AWS_ACCESS_KEY_ID, …) nor a role of this machine gives any"
    last = text.splitlines()[-1 if "↳" in text else 0] if text else type(error).__name__
    return scrubbed(last.rpartition("↳")[2].rpartition(" - ")[2].strip())


def store_of(path: str) -> tuple[fs.FileSystem, str]:
    """The store of a path or URI, and the path within it. Raises OSError or ArrowException for an unknown one."""
    if on_s3(path):
        return _s3(endpoint(), region()), named(path).removeprefix("s3a://")
    store, within = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    return store, within


@cache
def _s3(address: str | None, where: str | None) -> fs.S3FileSystem:
    scheme, _, host = (address or "https://").partition("://")
    return fs.S3FileSystem(endpoint_override=host.rstrip("/") or None, scheme=scheme, region=where)


def exists(path: str) -> bool:
    """Is there a file or a folder?"""
    store, within = store_of(path)
    return bool(store.get_file_info(within).type != fs.FileType.NotFound)


def folders_in(path: str) -> list[str]:
    """The names of the folders in a folder, sorted; none where there is no such folder."""
    store, within = store_of(path)
    found = store.get_file_info(fs.FileSelector(within, allow_not_found=True))
    return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)


def names_in(path: str) -> set[str]:
    """The names of the files and folders in a folder; none where there is no such folder."""
    store, within = store_of(path)
    return {info.base_name for info in store.get_file_info(fs.FileSelector(within, allow_not_found=True))}


def sizes_below(path: str) -> dict[str, int]:
    """All files below a folder, at any depth, by their paths from there, with their bytes; none for no such folder."""
    store, within = store_of(path)
    found = store.get_file_info(fs.FileSelector(within, allow_not_found=True, recursive=True))
    return {info.path[len(within) + 1 :]: info.size for info in found if info.type == fs.FileType.File}


def files_below(path: str) -> set[str]:
    """The same without the bytes."""
    return set(sizes_below(path))


def sizes_of(path: str, names: Collection[str]) -> dict[str, int]:
    """Bytes of those files below a folder that are there."""
    if on_s3(path):  # which lists a thousand in the time that it takes to ask for one
        there = sizes_below(path)
        return {name: there[name] for name in names if name in there}
    store, within = store_of(path)
    found = zip(names, store.get_file_info([f"{within}/{name}" for name in names]), strict=True)
    return {name: info.size for name, info in found if info.type == fs.FileType.File}


def open_file(path: str) -> NativeFile:
    """A file to read from, at any place of it. Raises FileNotFoundError where there is none."""
    store, within = store_of(path)
    return store.open_input_file(within)


def read_file(path: str) -> bytes:
    """All that a file holds."""
    with open_file(path) as file:
        content: bytes = file.read()
    return content


def make_folder(path: str) -> None:
    """A folder to write files into; a store needs none."""
    if not on_s3(path):
        store, within = store_of(path)
        store.create_dir(within)


def put_file(path: str, content: bytes) -> None:
    """Write a file of a store: it is there whole or not at all, as objects of a store are."""
    store, within = store_of(path)
    with store.open_output_stream(within) as stream:
        stream.write(content)


def remove_folder(path: str) -> None:
    """Remove a folder and what is in it; none there is no mistake."""
    if exists(path):
        store, within = store_of(path)
        store.delete_dir(within)
