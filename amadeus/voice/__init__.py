"""A voice: the network, its synthesiser, how it learns, and the SavedModel that plays."""
