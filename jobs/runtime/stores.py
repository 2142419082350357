"""Where files lie: this machine's disks, or any store that a URI names."""

from pyarrow import fs


def store_of(path: str) -> tuple[fs.FileSystem, str]:
    """The store of a path or URI, and the path within it. Raises OSError or ArrowException for an unknown one."""
    store, within = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    return store, within


def exists(path: str) -> bool:
    """Is there a file or a folder?"""
    store, within = store_of(path)
    return bool(store.get_file_info(within).type != fs.FileType.NotFound)


def remove_folder(path: str) -> None:
    """Remove a folder and what is in it; none there is no mistake."""
    if exists(path):
        store, within = store_of(path)
        store.delete_dir(within)
