"""Inputs of editors, validated field by field. A bad input is refused as a whole, and every bad field is named."""
