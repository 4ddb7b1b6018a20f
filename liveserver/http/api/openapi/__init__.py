"""The API's operations, declared once, and the OpenAPI document that is made of them."""
