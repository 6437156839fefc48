"""Whole networks against other engines, at natural and at induced sparsity, on real photographs."""
