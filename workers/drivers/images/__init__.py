"""Images: what this host caches, and what it fetches from publishers into the image store."""
