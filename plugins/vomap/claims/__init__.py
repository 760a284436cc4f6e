"""What a token says: claims, memberships, scopes and the VOs it names. Pure; knows nothing of a site's policy."""
