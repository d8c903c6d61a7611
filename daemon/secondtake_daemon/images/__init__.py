"""Files to arrays and back: EXR, sequences, stills, movies, colour. The only door to those libraries."""
