"""Pictures: transcoded in processes of their own, and stored in a directory or an S3 bucket."""
