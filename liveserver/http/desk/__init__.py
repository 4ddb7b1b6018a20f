"""The desk: its API for people who are signed in, `/desk/api/v1`, and its pages. All other paths ignore cookies."""
