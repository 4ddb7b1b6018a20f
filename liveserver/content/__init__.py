"""The content of entries: safe bodies, blocks, embeds and pictures; and our own texts in the live blog's language."""
