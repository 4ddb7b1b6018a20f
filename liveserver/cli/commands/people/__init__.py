"""Commands about the people of the newsroom, and what they did."""
