"""From what a source delivers to silver: typed, standard, checked. Rules of entities: `rules`."""
