"""What the judge measures: one module a fault, plain functions over numpy arrays."""
