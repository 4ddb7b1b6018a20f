"""What an entry is made of: safe bodies, blocks, embeds, pictures, and texts in the reader's language."""
