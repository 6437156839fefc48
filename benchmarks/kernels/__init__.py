"""Single kernels, without the operators around them."""
