"""Where bytes come from: files, archives, objects of an S3 store, standard input, and the order they are loaded in."""
