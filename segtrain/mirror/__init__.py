"""Trial and study folders in an object store, under the names that they have on a disk. The only place that imports
fsspec."""
