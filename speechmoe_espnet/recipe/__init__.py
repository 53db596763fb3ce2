"""Plan of a recipe: options, stages, names of directories, arguments, expected times."""
