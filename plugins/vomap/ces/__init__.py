"""The kinds of CE, and the CE configuration that vomap writes."""
