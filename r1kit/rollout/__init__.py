"""Problems to groups: the one place where generation and rewards meet, and what groups say in figures."""
