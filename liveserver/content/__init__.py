"""The content of entries: safe bodies, blocks, embeds, pictures, and texts in the reader's language."""
