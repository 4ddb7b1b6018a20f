"""Inputs of editors, validated field by field: a bad one is refused whole, with every bad field named."""
