"""The tests' model is the conformance kit's."""

from erasebench.testing.model import WIDTH, tiny_pipeline, tiny_tokenizer, write_tiny_model

__all__ = ["WIDTH", "tiny_pipeline", "tiny_tokenizer", "write_tiny_model"]
