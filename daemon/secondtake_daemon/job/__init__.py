"""The steps of one job, in order: prepare, shot (what was found), render. `pipeline` puts them together."""
