"""When something was recorded, also where the record was moved since.

ML Metadata stamps what it is given with the moment at which it is given. So what is moved from one store to another
carries the moments of the first along as custom properties, and whoever asks for a moment asks here. They are doubles,
for whole numbers end at 2**31 in MySQL.
"""

from typing import Any

CREATED_PROPERTY = "moved_created_ms"
UPDATED_PROPERTY = "moved_updated_ms"


def created_ms(node: Any) -> int:
    """Tells when an artifact, an execution or a context was first recorded, in milliseconds since 1970."""
    return _moved(node, CREATED_PROPERTY) or node.create_time_since_epoch


def updated_ms(node: Any) -> int:
    """Tells when it was last changed before it was moved; where it never was, when it was last changed."""
    return _moved(node, UPDATED_PROPERTY) or node.last_update_time_since_epoch


def _moved(node: Any, name: str) -> int:
    if name not in node.custom_properties:
        return 0
    return int(node.custom_properties[name].double_value)
