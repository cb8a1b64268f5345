"""Named queries; see `shared.db.queries`."""
