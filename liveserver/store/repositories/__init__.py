"""The store's queries as functions, in a module for each resource. A caller begins the transaction beforehand."""
