"""How much sparsity an accuracy budget buys on trained networks, by several ways of choosing thresholds."""
