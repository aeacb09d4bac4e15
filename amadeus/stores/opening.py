"""Opens the store that an address names."""

from pathlib import Path

from amadeus.stores import addresses
from amadeus.stores.paths import PathStore
from amadeus.stores.retrying import DEFAULT_PATIENCE, Patience
from amadeus.stores.store import Store


def open_store(url: str | Path, *, patience: Patience = DEFAULT_PATIENCE) -> Store:
    """Opens a store. Nothing is asked of it yet, so that it need not be there.

    Args:
      url: `gs://bucket/folder`, `s3://bucket/folder`, `minio://bucket/folder`, or a path.
      patience: How often what may pass is tried again.

    Raises:
      ConfigError: The address cannot be one.
      StoreError: There are no credentials for it.
    """
    address = addresses.parse(str(url))
    if address.scheme == addresses.FILE:
        return PathStore(Path(address.folder).expanduser())
    if address.scheme == addresses.GOOGLE:
        from amadeus.stores.google import GoogleStore  # loads google-cloud-storage

        return GoogleStore.open(address, patience)
    from amadeus.stores.amazon import AmazonStore  # loads boto3

    return AmazonStore.open(address, patience)
