"""The queries of people: users, their sessions and roles, what each principal may do, and the record of acts."""
