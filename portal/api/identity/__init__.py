"""Who there is and what they may: users, projects, roles, tokens and the catalog (Keystone v3)."""
