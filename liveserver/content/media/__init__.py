"""Pictures: they are transcoded in separate processes, and their files are stored in a directory or an S3 bucket."""
