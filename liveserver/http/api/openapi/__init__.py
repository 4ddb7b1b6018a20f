"""The API's operations, each declared once, and the OpenAPI document that is made from the declarations."""
