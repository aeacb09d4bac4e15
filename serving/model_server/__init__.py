"""The protocol of TF Serving, embedded: models loaded, swapped and asked."""
