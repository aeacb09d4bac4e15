"""The studio: performances, practice sessions and personalities over gRPC."""
