"""What may pass between guests and everything else: rules, and what becomes of connections."""
