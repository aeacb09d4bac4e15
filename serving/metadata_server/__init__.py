"""An ML Metadata server: what upstream ships as a C++ binary, over the store that upstream ships for Python."""
