"""Sources of bytes: files, archives, objects, standard input; and what each holds. Imports no database."""
