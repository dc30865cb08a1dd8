"""Networks: bundled ones by name, and adapters for the user's own."""
