"""Keep the live state of stores: batches of the standing job of kind `now`."""
