"""Sign-in by OpenID Connect: the provider, what it says about a person, and which rights that gives. Must not know HTML."""
