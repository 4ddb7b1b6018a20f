"""Pictures: decoded and encoded anew in processes of their own, kept in a directory or in an S3 bucket."""
