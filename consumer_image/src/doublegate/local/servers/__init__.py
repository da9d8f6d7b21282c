"""How each real server is installed, launched and found ready."""
