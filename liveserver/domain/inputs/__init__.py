"""What editors may send, field by field. A bad input is refused whole, with every bad field named."""
