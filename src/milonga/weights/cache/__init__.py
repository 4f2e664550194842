"""The Hugging Face cache on disk."""
