"""An S3 server, for what keeps a mirror."""

from tests.segtrain.mirror.conftest import running_s3, s3

__all__ = ["running_s3", "s3"]
